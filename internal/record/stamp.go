package record

import (
	"errors"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/gateway"
)

// Stamped returns a copy of an intact record with its stamp replaced by s. The
// record keeps its revision. Stamped does not unpack its families.
func Stamped(rec []byte, s gateway.Stamp) ([]byte, error) {
	revision, err := Check(rec, s.Key)
	if err != nil {
		return nil, err
	}
	_, packed, err := cutStamp(rec)
	if err != nil {
		return nil, err
	}
	return withStamp(rec[0], packed, s, revision), nil
}

// OfStamp returns the record of a group that has only a failure.
func OfStamp(s gateway.Stamp, revision gateway.Revision) []byte {
	return withStamp(byte(gateway.Format1), s2.Encode(nil, nil), s, revision)
}

func withStamp(version byte, packed []byte, s gateway.Stamp, revision gateway.Revision) []byte {
	msg := appendTime(nil, groupFailed, s.At)
	msg = appendRevision(msg, stampAgainst, s.Against)
	msg = appendString(msg, groupFailure, s.Reason)
	msg = appendString(msg, groupFailedBy, s.FailedBy)
	rec := make([]byte, contentAt, contentAt+protowire.SizeBytes(len(msg))+len(packed))
	rec[0] = version | stampedBit
	rec = append(protowire.AppendBytes(rec, msg), packed...)
	Seal(rec, s.Key, revision)
	return rec
}

// cutStamp splits an intact record into the message of its stamp and the rest.
// The message is nil if there is no stamp.
func cutStamp(rec []byte) (msg, packed []byte, err error) {
	if rec[0]&stampedBit == 0 {
		return nil, rec[contentAt:], nil
	}
	msg, n := protowire.ConsumeBytes(rec[contentAt:])
	if n < 0 {
		return nil, nil, errors.New("it is cut off")
	}
	return msg, rec[contentAt+n:], nil
}

// takeStamp reads the message of a stamp into g. A nil message means no stamp.
func (g *reading) takeStamp(msg []byte) error {
	if msg == nil {
		return nil
	}
	var against gateway.Revision
	err := eachField(msg, func(f field) error {
		switch f.num {
		case groupFailed:
			g.Failed = f.time()
		case groupFailure:
			g.Failure = string(f.bytes)
		case groupFailedBy:
			g.FailedBy = string(f.bytes)
		case stampAgainst:
			against = gateway.Revision(f.value)
		default:
			return unknown(f.num)
		}
		return nil
	})
	g.last = lastOf(against >= g.Revision)
	return err
}
