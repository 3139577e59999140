package guard

import (
	"errors"
	"fmt"
	"sync/atomic"
)

var (
	// ErrTooLarge is wrapped by the errors for pushes over a bound.
	ErrTooLarge = errors.New("push is too large")
	// ErrBusy is wrapped by errors of a Budget that others have used up. The same
	// push may succeed later.
	ErrBusy = errors.New("too many bytes of pushes are in progress; try again")
)

// Memory shares the memory of all pushes in progress among clients. It is safe
// for concurrent use.
type Memory struct {
	shares   *Shares
	inflight *atomic.Int64 // bytes that they take
	grown    func()        // called when they take another growth
}

// NewMemory shares total bytes. inflight counts the bytes in use, and grown is
// called for each further 16 MiB in use. Both may be nil.
func NewMemory(total int64, inflight *atomic.Int64, grown func()) *Memory {
	if inflight == nil {
		inflight = new(atomic.Int64)
	}
	if grown == nil {
		grown = func() {}
	}
	return &Memory{shares: NewShares(total), inflight: inflight, grown: grown}
}

// Budget is the memory of one push. Close it when done. Its methods may be called
// by one goroutine at a time.
type Budget struct {
	reserved int64 // of the lease
	lease    *Lease
	from     *Memory
}

// minAlone is what a push may always take while there is no other, in bytes.
// With less, hardly any push would succeed.
const minAlone = 64 << 20

// growth is after how many further bytes grown is called.
const growth = 16 << 20

// Open opens the budget of a push of the client with this address.
func (m *Memory) Open(client string) *Budget {
	return &Budget{from: m, lease: m.shares.Open(client)}
}

// Take counts bytes for the push. It returns ErrTooLarge if the push takes more
// than any push may, and ErrBusy if others take too much at present. If another
// client holds more, it first tries to end the slowest bodies of that client.
func (b *Budget) Take(n int) error {
	m := b.from
	if most := max(m.shares.total, minAlone); b.reserved+int64(n) > most {
		return fmt.Errorf("%w: it needs more than %d bytes of memory (--push.max-inflight-bytes); push less at once, or split it into several groups", ErrTooLarge, most)
	}
	if b.lease.Take(int64(n)) != nil {
		return m.busy()
	}
	b.reserved += int64(n)
	if all := m.inflight.Add(int64(n)); all/growth != (all-int64(n))/growth {
		m.grown()
	}
	return nil
}

func (m *Memory) busy() error {
	return fmt.Errorf("%w (the limit is %d bytes, --push.max-inflight-bytes)", ErrBusy, m.shares.total)
}

// Return returns some of them.
func (b *Budget) Return(n int) {
	b.lease.give(int64(n))
	b.from.inflight.Add(-int64(n))
	b.reserved -= int64(n)
}

// Arriving calls receive. If others need the memory of this push, it calls end,
// which must make receive return soon, and returns an ErrBusy. end may be nil if
// receive cannot be ended.
func (b *Budget) Arriving(end func(), receive func() error) error {
	if end == nil {
		return receive()
	}
	b.lease.Endable(end)
	err := receive()
	if !b.lease.keep() {
		return b.from.busy()
	}
	return err
}

// Close returns all bytes. It may be called twice.
func (b *Budget) Close() {
	b.from.inflight.Add(-b.reserved)
	b.lease.Close()
	b.reserved = 0
}
