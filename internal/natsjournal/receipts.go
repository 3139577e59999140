package natsjournal

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
)

// A stream has no commits of several messages. So the receipts of a group are in a
// header of its message, those of the last hour that spill.go has not stored
// elsewhere: base64 of 40 bytes each, the time
// (Unix ns, big endian), the ID and the hash of the content. The end of a group
// has them too. Only the mark of a server that a group has expired has none. So
// the message of a group with a time to live stays until its receipts are over;
// members hide the group when its own time has come.
const headerReceipts = "Pushgateway-Receipts"

const receiptSize = 8 + 16 + 16

func encodeReceipts(receipts []gateway.Receipt) string {
	b := make([]byte, 0, len(receipts)*receiptSize)
	for _, r := range receipts {
		b = binary.BigEndian.AppendUint64(b, uint64(r.At))
		b = append(append(b, r.ID[:]...), r.Content[:]...)
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

func decodeReceipts(s string) ([]gateway.Receipt, error) {
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(b)%receiptSize != 0 {
		return nil, fmt.Errorf("%w: its receipts have %d bytes", errDamaged, len(b))
	}
	receipts := make([]gateway.Receipt, 0, len(b)/receiptSize)
	for r := range slices.Chunk(b, receiptSize) {
		receipts = append(receipts, gateway.Receipt{At: int64(binary.BigEndian.Uint64(r)), ID: [16]byte(r[8:]), Content: [16]byte(r[24:])})
	}
	return receipts, nil
}

// carry sets the receipts of a write: those that its group has, and its own. The
// caller holds mu.
func (j *Journal) carry(w *write, e *entry) error {
	first := j.Now().Add(-gateway.ReceiptLife).UnixNano()
	over := func(r gateway.Receipt) bool { return r.At < first || e.spilled[r] }
	before := slices.DeleteFunc(slices.Clone(e.receipts), over)
	if w.change.Group != nil {
		j.relieve(w.token, e, before)
	}
	w.receipts = append(before, w.change.Receipts...)
	w.msg.Header.Del(headerReceipts)
	switch n := len(w.receipts); {
	case n == 0:
		return nil
	case n > maxReceipts:
		return fmt.Errorf("the idempotency keys of the last pushes to the group %s are still being stored; push again", w.change.Key.Excerpt())
	}
	w.msg.Header.Set(headerReceipts, encodeReceipts(w.receipts))
	if g := w.change.Group; g != nil && !g.Expires.IsZero() {
		w.msg.Header.Set(headerTTL, ttlOf(later(g.Expires, endOf(w.receipts)), j.Now()))
	}
	if size, most := int64(w.msg.Size())+headerRoom, j.link.maxPayload.Load(); size > most {
		return fmt.Errorf("%w: with the idempotency keys of %d pushes of the last hour, group %s takes %d bytes, and the NATS servers accept messages of %d bytes; add to several groups, or raise max_payload of the servers", exposition.ErrTooLarge, len(w.receipts), w.change.Key.Excerpt(), size, most)
	}
	return nil
}

// endOf returns when the last of some receipts is over.
func endOf(receipts []gateway.Receipt) time.Time {
	var last int64
	for _, r := range receipts {
		last = max(last, r.At)
	}
	return time.Unix(0, last).Add(gateway.ReceiptLife)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// learn notes the receipts of a group in a message of another member, and returns
// those that are new. The caller holds mu.
func (e *entry) learn(receipts []gateway.Receipt) []gateway.Receipt {
	fresh := receipts
	if n := len(e.receipts); n > 0 { // the others are before the last one
		fresh = receipts[slices.Index(receipts, e.receipts[n-1])+1:]
	}
	e.receipts = receipts
	return fresh
}
