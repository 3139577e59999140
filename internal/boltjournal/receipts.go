package boltjournal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"

	"pushgateway/internal/gateway"
)

// A receipt is an entry of its own, in a bucket of its own, so that a commit does
// not write the receipts of an hour again. Its key is its time (Unix ns, big
// endian) and its ID, so that the oldest come first. Its value is the hash of its
// content, and a checksum (xxHash64 of the key and that hash, little endian). A
// file without receipts need not have the bucket. Earlier versions of this program
// ignore it.

var receiptsBucket = []byte("receipts")

const (
	receiptKey   = 8 + 16
	receiptValue = 16 + 8
)

// slip is a receipt to be put into the file.
type slip struct {
	key   []byte
	value []byte // nil to remove it
}

func slipOf(r gateway.Receipt) slip {
	key := binary.BigEndian.AppendUint64(make([]byte, 0, receiptKey), uint64(r.At))
	key = append(key, r.ID[:]...)
	value := append(make([]byte, 0, receiptValue), r.Content[:]...)
	return slip{key, binary.LittleEndian.AppendUint64(value, sumOfReceipt(key, value))}
}

func slipsOf(receipts []gateway.Receipt) []slip {
	slips := make([]slip, 0, len(receipts))
	for _, r := range receipts {
		slips = append(slips, slipOf(r))
	}
	return slips
}

func sumOfReceipt(key, content []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(key) // writing to a hash cannot fail
	_, _ = d.Write(content)
	return d.Sum64()
}

// checksum returns that of an intact value.
func (s slip) checksum() uint64 { return binary.LittleEndian.Uint64(s.value[receiptValue-8:]) }

// receipt returns the receipt of an entry, or what is wrong with it.
func (s slip) receipt() (r gateway.Receipt, err error) {
	if len(s.key) != receiptKey || len(s.value) != receiptValue || s.checksum() != sumOfReceipt(s.key, s.value[:16]) {
		return r, errors.New("the receipt of a push is damaged")
	}
	return gateway.Receipt{At: int64(binary.BigEndian.Uint64(s.key)), ID: [16]byte(s.key[8:]), Content: [16]byte(s.value[:16])}, nil
}

// maxDropped bounds how many old receipts one commit removes.
const maxDropped = 1000

// writeReceipts puts receipts into the file, and removes those that are over at
// now, unless that is zero. It updates the numbers of the state, and returns what
// undoes the change.
func (s *state) writeReceipts(tx *bbolt.Tx, slips []slip, now time.Time) (undo []slip, err error) {
	if s.receipts == 0 && len(slips) == 0 {
		return nil, nil
	}
	b, err := tx.CreateBucketIfNotExists(receiptsBucket)
	if err != nil {
		return nil, err
	}
	b.FillPercent = 0.9 // new ones come last
	if !now.IsZero() {
		slips = append(oldReceipts(b, now), slips...)
	}
	for _, w := range slips {
		old := slip{w.key, bytes.Clone(b.Get(w.key))}
		undo = append(undo, old)
		if err := s.exchangeReceipt(b, w, old); err != nil {
			return undo, fmt.Errorf("the receipt of a push: %w", err)
		}
	}
	return undo, nil
}

// exchangeReceipt replaces an old entry, which may have no value, and updates the
// numbers of the state.
func (s *state) exchangeReceipt(b *bbolt.Bucket, w, old slip) error {
	if old.value != nil {
		s.receipts--
		s.receiptSum -= old.checksum()
	}
	if w.value == nil {
		return b.Delete(w.key)
	}
	s.receipts++
	s.receiptSum += w.checksum()
	return b.Put(w.key, w.value)
}

// oldReceipts returns how to remove the receipts that are over.
func oldReceipts(b *bbolt.Bucket, now time.Time) (drop []slip) {
	before := now.Add(-gateway.ReceiptLife).UnixNano()
	c := b.Cursor()
	for key, _ := c.First(); key != nil && len(drop) < maxDropped; key, _ = c.Next() {
		if int64(binary.BigEndian.Uint64(key)) > before {
			break
		}
		drop = append(drop, slip{key: bytes.Clone(key)})
	}
	return drop
}

// fillReceipts puts receipts into a new file.
func (s *state) fillReceipts(db *bbolt.DB, receipts iter.Seq[gateway.Receipt]) error {
	s.receipts, s.receiptSum = 0, 0
	return db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(receiptsBucket)
		if err != nil {
			return err
		}
		b.FillPercent = 0.9 // they are already sorted
		for r := range receipts {
			w := slipOf(r)
			if err := s.exchangeReceipt(b, w, slip{w.key, b.Get(w.key)}); err != nil {
				return err
			}
		}
		return putState(tx, s)
	})
}

// takeReceipt checks one receipt.
func (s *scan) takeReceipt(e element) {
	w := slip{e.key, e.value}
	r, err := w.receipt()
	if err != nil || e.bucket {
		s.fault(Fault{Page: e.page, Msg: "the receipt of a push is damaged"})
		return
	}
	s.receipts = append(s.receipts, r)
	s.receiptSum += w.checksum()
}

// compareReceipts compares the receipts that were found with the state. A program
// that did not know them may have written the state.
func (s *scan) compareReceipts() {
	known := s.state.receipts != 0 || s.state.receiptSum != 0
	found := uint64(len(s.receipts))
	if known && (found != s.state.receipts || s.receiptSum != s.state.receiptSum) {
		s.fault(Fault{Page: s.meta.root, Msg: fmt.Sprintf("the file holds %d receipts of pushes, but its state counts %d, or others", found, s.state.receipts)})
	}
	s.state.receipts, s.state.receiptSum = found, s.receiptSum
}
