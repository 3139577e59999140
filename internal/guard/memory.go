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
	at       string        // where a configuration sets the total, or ""
	inflight *atomic.Int64 // bytes that they take
	grown    func()        // called when they take another growth
}

// NewMemory shares l.Inflight bytes. inflight counts the bytes in use, and grown is
// called for each further 16 MiB in use. Both may be nil.
func NewMemory(l BodyLimits, inflight *atomic.Int64, grown func()) *Memory {
	if inflight == nil {
		inflight = new(atomic.Int64)
	}
	if grown == nil {
		grown = func() {}
	}
	return &Memory{shares: NewShares(l.Inflight), at: l.Sources[LimitInflightBytes], inflight: inflight, grown: grown}
}

// InUse reports whether any push takes memory.
func (m *Memory) InUse() bool { return m.inflight.Load() > 0 }

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
		return m.tooLarge(most)
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
	if m.at != "" {
		return fmt.Errorf("%w (the limit is %d bytes, %s in %s)", ErrBusy, m.shares.total, LimitInflightBytes.Key(), m.at)
	}
	return fmt.Errorf("%w (the limit is %d bytes, %s)", ErrBusy, m.shares.total, inflightFlag)
}

// inflightFlag is the flag that sets the total if no configuration does.
const inflightFlag = "--push.max-inflight-bytes"

func (m *Memory) tooLarge(most int64) error {
	e := &LimitError{
		Limit: LimitInflightBytes, At: m.at, Err: ErrTooLarge,
		Says:   fmt.Sprintf("%v: it needs more than %d bytes of memory", ErrTooLarge, most),
		Advice: "push less at once, or split it into several groups",
	}
	if m.at == "" {
		e.Says += " (" + inflightFlag + ")"
	}
	return e
}

// Return returns some of them.
func (b *Budget) Return(n int) {
	b.lease.Return(int64(n))
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
