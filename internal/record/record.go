// Package record turns a group into the bytes that a journal stores, and back.
//
// A record is a byte with the version of the format, a checksum (xxHash64 of
// the grouping key, the version and everything behind the checksum, little
// endian), the revision (little endian), and a block of S2 compression with
// this message of protocol buffers:
//
//	message Group {
//	  sint64 pushed  = 1;          // Unix time in ns; absent: never
//	  sint64 failed  = 2;          // the same
//	  uint64 since   = 3;          // revision; absent: that of the record
//	  sint64 expires = 4;          // Unix time in ns; absent: never
//	  repeated Family families = 5; // sorted by name
//	  string failure = 6;          // reason of the last refused push
//	  string failed_by = 7;        // the network whose failures made a group without a good push
//	}
//	message Family {
//	  bytes  family = 1;  // a delimited io.prometheus.client.MetricFamily
//	  bytes  text   = 4;  // its lines, in place of its metrics
//	  sint64 pushed = 2;  // ns after that of the group, or after 1970 if it has none; absent: at the same time
//	  uint64 claim  = 3;  // revision; absent: that of the record
//	}
//
// Decoding refuses unknown fields: ignoring one could mean to lose what
// somebody relies on. Revisions that a group gets by being stored are absent,
// so that a record can be made before its place in the order is known.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// Version is the format that Encode writes, and the newest that Decode reads.
const Version = 1

// Offsets of the parts of a record.
const (
	checksumAt = 1
	revisionAt = checksumAt + 8
	contentAt  = revisionAt + 8
)

var (
	// ErrDamaged means that a record is not what was written.
	ErrDamaged = errors.New("the record is damaged")
	// ErrVersion means that a newer version of this program wrote the record.
	ErrVersion = errors.New("a newer version of this program wrote the record")
)

// The fields of the messages.
const (
	groupPushed   = 1
	groupFailed   = 2
	groupSince    = 3
	groupExpires  = 4
	groupFamilies = 5
	groupFailure  = 6
	groupFailedBy = 7

	familyBlock  = 1
	familyPushed = 2
	familyClaim  = 3
	familyText   = 4
)

// buffers are the buffers that encoding a record needs.
type buffers struct{ content, packed []byte }

var scratch = sync.Pool{New: func() any { return new(buffers) }}

// maxScratch is the largest buffer that is kept, in bytes.
const maxScratch = 1 << 20

// Encode makes the record of a group. The record is not valid until it is
// sealed.
func Encode(g *gateway.Group) []byte {
	rec, _ := EncodeWithin(g, nil) // it fails only because of a budget
	return rec
}

// EncodeWithin is Encode with a budget, from which it takes the memory that a
// large record needs for encoding and writing. A nil budget has no bound.
func EncodeWithin(g *gateway.Group, budget exposition.Budget) ([]byte, error) {
	buf := scratch.Get().(*buffers)
	defer func() {
		if cap(buf.content) <= maxScratch {
			scratch.Put(buf)
		}
	}()
	w := writer{buf: buf, budget: budget}
	buf.content = buf.content[:0]
	w.group(g)
	if w.err != nil {
		return nil, w.err
	}
	if len(w.packed) > 0 {
		return w.join()
	}
	buf.packed = s2.Encode(buf.packed[:cap(buf.packed)], buf.content)
	rec := make([]byte, contentAt+len(buf.packed))
	rec[0] = Version
	copy(rec[contentAt:], buf.packed)
	return rec, nil
}

// Seal sets the revision and the checksum of a record made by Encode.
func Seal(rec []byte, key grouping.Key, r gateway.Revision) {
	binary.LittleEndian.PutUint64(rec[revisionAt:], uint64(r))
	binary.LittleEndian.PutUint64(rec[checksumAt:], compute(rec, key))
}

// Checksum returns the checksum in a record, or 0 if the record is too short.
func Checksum(rec []byte) uint64 {
	if len(rec) < contentAt {
		return 0
	}
	return binary.LittleEndian.Uint64(rec[checksumAt:])
}

func compute(rec []byte, key grouping.Key) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(string(key)) // writing to a hash cannot fail
	_, _ = d.Write(rec[:checksumAt])
	_, _ = d.Write(rec[revisionAt:])
	return d.Sum64()
}

// Check returns the revision of a record, or an error if the record is damaged.
func Check(rec []byte, key grouping.Key) (gateway.Revision, error) {
	if len(rec) < contentAt {
		return 0, fmt.Errorf("%w: it has only %d bytes", ErrDamaged, len(rec))
	}
	if compute(rec, key) != Checksum(rec) {
		return 0, fmt.Errorf("%w: its checksum does not match its content", ErrDamaged)
	}
	if rec[0] != Version {
		return 0, fmt.Errorf("%w: its format is %d, but this version reads %d", ErrVersion, rec[0], Version)
	}
	return gateway.Revision(binary.LittleEndian.Uint64(rec[revisionAt:])), nil
}

// Decode returns the group of a record that was sealed for key. It keeps no
// reference to rec.
func Decode(rec []byte, key grouping.Key) (*gateway.Group, gateway.Revision, error) {
	r, err := Check(rec, key)
	if err != nil {
		return nil, 0, err
	}
	content, err := s2.Decode(nil, rec[contentAt:])
	if err != nil {
		return nil, 0, fmt.Errorf("%w: unpacking it: %w", ErrDamaged, err)
	}
	g := gateway.Group{Key: key, Revision: r}
	if err := readGroup(&g, content, r); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return gateway.Restore(g), r, nil
}

// appendHead appends the fields of a group except its families.
func appendHead(b []byte, g *gateway.Group) []byte {
	b = appendTime(b, groupPushed, g.Pushed)
	b = appendTime(b, groupFailed, g.Failed)
	b = appendRevision(b, groupSince, g.Since)
	b = appendTime(b, groupExpires, g.Expires)
	b = appendString(b, groupFailure, g.Failure)
	return appendString(b, groupFailedBy, g.FailedBy)
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendHeld(b []byte, g *gateway.Group, h *gateway.Held) []byte {
	b = protowire.AppendTag(b, familyBlock, protowire.BytesType)
	b = appendSized(b, h.AppendStored)
	if text := h.StoredText(); text != nil {
		b = protowire.AppendTag(b, familyText, protowire.BytesType)
		b = protowire.AppendBytes(b, text)
	}
	return appendTail(b, g, h)
}

// appendTail appends the fields of a family except its series.
func appendTail(b []byte, g *gateway.Group, h *gateway.Held) []byte {
	// As the wall clock shows them, since it may have been set in between.
	if after := h.Pushed.UnixNano() - base(g.Pushed); after != 0 && !h.Pushed.IsZero() {
		b = protowire.AppendTag(b, familyPushed, protowire.VarintType)
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(after))
	}
	return appendRevision(b, familyClaim, h.Claim)
}

// base is the time from which the times of families count: that of the group,
// in Unix ns, or 1970 if it has none.
func base(pushed time.Time) int64 {
	if pushed.IsZero() {
		return 0
	}
	return pushed.UnixNano()
}

// appendSized appends what f appends, preceded by its size in five bytes, since
// the size is not known before.
func appendSized(b []byte, f func([]byte) []byte) []byte {
	at := len(b)
	b = f(append(b, 0x80, 0x80, 0x80, 0x80, 0))
	size := len(b) - at - 5
	for i := range 4 {
		b[at+i] |= byte(size>>(7*i)) & 0x7f
	}
	b[at+4] = byte(size >> 28)
	return b
}

func appendTime(b []byte, num protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, protowire.EncodeZigZag(t.UnixNano()))
}

func appendRevision(b []byte, num protowire.Number, r gateway.Revision) []byte {
	if r == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(r))
}

// field is one field of a message: a number, or bytes.
type field struct {
	num   protowire.Number
	value uint64
	bytes []byte
}

func (f field) time() time.Time { return time.Unix(0, protowire.DecodeZigZag(f.value)) }

// eachField iterates over a message.
func eachField(msg []byte, take func(field) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		f := field{num: num}
		switch typ {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(msg)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(msg)
		default:
			return fmt.Errorf("field %d has the wire type %d, which records do not use", num, typ)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		if err := take(f); err != nil {
			return err
		}
	}
	return nil
}

func unknown(num protowire.Number) error { return fmt.Errorf("field %d is unknown", num) }

func readGroup(g *gateway.Group, msg []byte, r gateway.Revision) error {
	g.Since = r
	return eachField(msg, func(f field) error {
		switch f.num {
		case groupPushed:
			g.Pushed = f.time()
		case groupFailed:
			g.Failed = f.time()
		case groupSince:
			g.Since = gateway.Revision(f.value)
		case groupExpires:
			g.Expires = f.time()
		case groupFailure:
			g.Failure = string(f.bytes)
		case groupFailedBy:
			g.FailedBy = string(f.bytes)
		case groupFamilies:
			h, err := readHeld(f.bytes, g.Pushed, r)
			if err != nil {
				return err
			}
			if n := len(g.Families); n > 0 && g.Families[n-1].Name >= h.Name {
				return fmt.Errorf("family %q comes after %q", excerpt.Of(h.Name), excerpt.Of(g.Families[n-1].Name))
			}
			g.Families = append(g.Families, h)
		default:
			return unknown(f.num)
		}
		return nil
	})
}

func readHeld(msg []byte, pushed time.Time, r gateway.Revision) (h gateway.Held, err error) {
	h.Pushed, h.Claim = pushed, r
	var family, text []byte
	err = eachField(msg, func(f field) error {
		switch f.num {
		case familyBlock:
			family = f.bytes
		case familyText:
			text = f.bytes
		case familyPushed:
			h.Pushed = time.Unix(0, base(pushed)+protowire.DecodeZigZag(f.value))
		case familyClaim:
			h.Claim = gateway.Revision(f.value)
		default:
			return unknown(f.num)
		}
		return nil
	})
	if err == nil {
		h.Block, err = exposition.ReadStored(family, text)
	}
	return h, err
}
