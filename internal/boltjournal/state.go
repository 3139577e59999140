package boltjournal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/gateway"
)

// format is the version of the file as a whole: buckets, state and records. Any
// change that an older program would not understand increases it.
const format = 1

var (
	stateBucket  = []byte("state")
	stateKey     = []byte("state")
	groupsBucket = []byte("groups")
)

// state is what a file says about itself. Every commit writes it, so that it
// shows whether all groups are there, and none in an older version: pages of
// bbolt have no checksums.
//
// On disk it is a byte with the format, a checksum (xxHash64 of the rest and
// the format), and these numbers as a protocol buffers message.
type state struct {
	revision gateway.Revision // 1: revision of the last change
	groups   uint64           // 2: number of groups
	sum      uint64           // 3: sum of the checksums of all records
	imported []byte           // 4: SHA-256 of the file that the groups were imported from

	receipts   uint64 // 5: number of receipts
	receiptSum uint64 // 6: sum of their checksums

	// 7: number of the commit that wrote it, as in the meta page. Earlier versions
	// of this program do not write it.
	commit uint64
}

const stateHeader = 1 + 8

// holds reports whether two states count the same records and receipts.
func (s *state) holds(other *state) bool {
	return s.groups == other.groups && s.sum == other.sum && s.receipts == other.receipts && s.receiptSum == other.receiptSum
}

func (s *state) marshal() []byte {
	b := make([]byte, stateHeader, 128)
	b[0] = format
	for i, v := range []uint64{uint64(s.revision), s.groups, s.sum} {
		b = protowire.AppendTag(b, protowire.Number(i+1), protowire.VarintType)
		b = protowire.AppendVarint(b, v)
	}
	if s.imported != nil {
		b = protowire.AppendTag(b, 4, protowire.BytesType)
		b = protowire.AppendBytes(b, s.imported)
	}
	if s.receipts != 0 {
		b = protowire.AppendTag(b, 5, protowire.VarintType)
		b = protowire.AppendVarint(b, s.receipts)
		b = protowire.AppendTag(b, 6, protowire.VarintType)
		b = protowire.AppendVarint(b, s.receiptSum)
	}
	if s.commit != 0 {
		b = protowire.AppendTag(b, 7, protowire.VarintType)
		b = protowire.AppendVarint(b, s.commit)
	}
	binary.LittleEndian.PutUint64(b[1:], checksumState(b))
	return b
}

func checksumState(b []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(b[:1]) // writing to a hash cannot fail
	_, _ = d.Write(b[stateHeader:])
	return d.Sum64()
}

func (s *state) unmarshal(b []byte) error {
	switch {
	case len(b) < stateHeader:
		return errors.New("the state is cut off")
	case checksumState(b) != binary.LittleEndian.Uint64(b[1:]):
		return errors.New("the checksum of the state does not match its content")
	case b[0] != format:
		return fmt.Errorf("%w: its format is %d, but this version reads %d; start the newer version", errVersion, b[0], format)
	}
	for b = b[stateHeader:]; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if n = s.take(num, typ, b); n < 0 {
			return fmt.Errorf("reading field %d of the state: %w", num, protowire.ParseError(n))
		}
		b = b[n:]
	}
	return nil
}

// take reads one field and returns its size, or an error code of protowire.
func (s *state) take(num protowire.Number, typ protowire.Type, b []byte) int {
	if num == 4 && typ == protowire.BytesType {
		v, n := protowire.ConsumeBytes(b)
		s.imported = append([]byte{}, v...)
		return n
	}
	v, n := protowire.ConsumeVarint(b)
	switch num {
	case 1:
		s.revision = gateway.Revision(v)
	case 2:
		s.groups = v
	case 3:
		s.sum = v
	case 5:
		s.receipts = v
	case 6:
		s.receiptSum = v
	case 7:
		s.commit = v
	}
	return n
}
