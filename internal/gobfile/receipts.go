package gobfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/cespare/xxhash/v2"

	"pushgateway/internal/gateway"
)

// A file of ours may have a second value after the first: a byte slice with the
// receipts of pushes with idempotency keys. Pushgateway reads only the first
// value, and so do earlier versions of this program. The slice is a name, an
// xxHash64 (little endian) of the rest, and for each receipt its time (Unix ns,
// big endian), its ID and the hash of its content.

const (
	receiptsName = "pushgateway receipts\n"
	receiptSize  = 8 + 16 + 16
	// bytesType is gob's number for byte slices.
	bytesType = 5
)

// writeReceipts appends the second value, unless it would be empty.
func writeReceipts(to *gob.Encoder, receipts iter.Seq[gateway.Receipt]) error {
	b := append([]byte(receiptsName), make([]byte, 8)...)
	head := len(b)
	for r := range receipts {
		b = binary.BigEndian.AppendUint64(b, uint64(r.At))
		b = append(append(b, r.ID[:]...), r.Content[:]...)
	}
	if len(b) == head {
		return nil
	}
	binary.LittleEndian.PutUint64(b[head-8:], xxhash.Sum64(b[head:]))
	return to.Encode(b)
}

// readReceipts reads the receipts after the first value. It ignores anything
// else that follows.
func (r *reader) readReceipts() ([]gateway.Receipt, error) {
	head, err := r.in.Peek(len(receiptsName) + 16)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, r.failed(err)
	case !bytes.Contains(head, []byte(receiptsName)):
		return nil, nil
	}
	if err := r.nextMessage(); err != nil {
		return nil, err
	}
	id, err := r.int()
	if err != nil {
		return nil, err
	}
	zero, err := r.uint() // precedes anything that is not a struct
	if err != nil {
		return nil, err
	}
	b, err := r.bytes()
	if err != nil {
		return nil, err
	}
	b, named := bytes.CutPrefix(b, []byte(receiptsName))
	if id != bytesType || zero != 0 || !named || len(b) < 8 || (len(b)-8)%receiptSize != 0 || xxhash.Sum64(b[8:]) != binary.LittleEndian.Uint64(b) {
		return nil, r.damaged("the keys of pushes that count once are not what was written")
	}
	return decodeReceipts(b[8:]), nil
}

func decodeReceipts(b []byte) []gateway.Receipt {
	receipts := make([]gateway.Receipt, 0, len(b)/receiptSize)
	for r := range slices.Chunk(b, receiptSize) {
		receipts = append(receipts, gateway.Receipt{At: int64(binary.BigEndian.Uint64(r)), ID: [16]byte(r[8:]), Content: [16]byte(r[24:])})
	}
	slices.SortFunc(receipts, func(a, b gateway.Receipt) int { return cmp.Compare(a.At, b.At) })
	return receipts
}
