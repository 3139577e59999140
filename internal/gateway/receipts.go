package gateway

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tidwall/btree"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// A push that adds up and has a key counts once, however often it is sent. For
// that the gateway remembers a receipt of it. A journal stores the receipt in the
// same commit as the sum, so after a crash there are both or neither. Receipts
// outlast their groups: a retry must not count after a reset.

// ReceiptLife is how long a receipt is remembered.
const ReceiptLife = time.Hour

// Receipt says that a push with a key was added to a group.
type Receipt struct {
	// ID is a hash of the group and the key.
	ID [16]byte
	// Content is a hash of the body.
	Content [16]byte
	// At is when the push was added, in Unix ns.
	At int64
}

// isOver reports whether a receipt is no longer remembered.
func (r Receipt) isOver(now time.Time) bool { return now.UnixNano()-r.At >= int64(ReceiptLife) }

func (r Receipt) less(s Receipt) bool {
	if r.At != s.At {
		return r.At < s.At
	}
	return string(r.ID[:]) < string(s.ID[:])
}

// Once makes a push that adds up count once.
type Once struct {
	// Replayed is set if the push had counted before. Then it has added nothing.
	Replayed bool
	// Idle is set if the push only removes, and the group is not there. Nothing of it
	// is remembered.
	Idle bool
	// Rejected is how many points of its body the push leaves out, because they
	// were refused. If it had counted before, it is set to the number of then.
	Rejected int

	id, content [16]byte
}

// NewOnce returns what makes a push to a group count once: the key that its
// client has chosen, and a hash of its body.
func NewOnce(group grouping.Key, key string, content [16]byte) *Once {
	sum := sha256.Sum256([]byte(string(group) + "\xff" + key)) // no group contains this byte
	return &Once{id: [16]byte(sum[:16]), content: content}
}

// ErrKeyReused is wrapped by the errors of pushes with a key that another push
// has used.
var ErrKeyReused = errors.New("the idempotency key was used for another body")

// errCounted means that there is nothing to store, because everything has
// counted before, or removes from a group that is not there.
var errCounted = errors.New("it has counted before")

// receipts are those that are remembered. Gateway.mu guards them.
type receipts struct {
	known    map[[16]byte]Receipt
	byTime   *btree.BTreeG[Receipt]
	reserved int // for changes in progress
	shares   receiptShares
}

func newReceipts() receipts {
	return receipts{known: make(map[[16]byte]Receipt), byTime: btree.NewBTreeGOptions(Receipt.less, btree.Options{NoLocks: true, Degree: treeDegree})}
}

// take remembers receipts.
func (rs *receipts) take(all []Receipt, now time.Time) {
	for _, r := range all {
		if r.isOver(now) {
			continue
		}
		if before, ok := rs.known[r.ID]; ok {
			rs.byTime.Delete(before)
		}
		rs.known[r.ID] = r
		rs.byTime.Set(r)
	}
}

// maxForgotten bounds how many receipts are forgotten while the index is locked.
const maxForgotten = 10_000

// forget drops receipts that are over.
func (rs *receipts) forget(now time.Time) {
	for range maxForgotten {
		r, ok := rs.byTime.Min()
		if !ok || !r.isOver(now) {
			return
		}
		rs.byTime.Delete(r)
		delete(rs.known, r.ID)
	}
}

// find returns the receipt with an ID.
func (rs *receipts) find(id [16]byte, now time.Time) (r Receipt, ok bool) {
	if r, ok = rs.known[id]; !ok || r.isOver(now) {
		return Receipt{}, false
	}
	return r, true
}

// admit returns an error if there is no room for more receipts.
func (rs *receipts) admit(more int, l *Limits, now time.Time) error {
	rs.forget(now)
	if len(rs.known)+rs.reserved+more <= l.Receipts {
		return nil
	}
	err := &guard.LimitError{
		Limit: guard.LimitIdempotencyKeys, At: l.Sources[guard.LimitIdempotencyKeys], Stored: true, Err: exposition.ErrBusy,
		Says:   fmt.Sprintf("the gateway remembers the keys of %d pushes, and this push would need more than the limit of %d", len(rs.known)+rs.reserved, l.Receipts),
		Advice: "try again later, or add up in the client and push less often",
		Wait:   time.Second,
	}
	if first, ok := rs.byTime.Min(); ok {
		err.Wait = max(err.Wait, ReceiptLife-now.Sub(time.Unix(0, first.At)))
	}
	return err
}

// reserveReceipts makes room for the receipts of a change in progress. If there
// is none, it withdraws the change.
func (g *Gateway) reserveReceipts(p *pending, n int, l *Limits) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	rs := &g.index.receipts
	if err := rs.admit(n, l, g.config.Now()); err != nil {
		g.index.finish(p, void)
		return err
	}
	rs.reserved += n
	p.receipts = n
	return nil
}

// forgetReceipts drops receipts that are over.
func (g *Gateway) forgetReceipts() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index.receipts.forget(g.config.Now())
}

// Receipts returns the number of receipts.
func (g *Gateway) Receipts() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index.receipts.forget(g.config.Now())
	return len(g.index.receipts.known)
}

// Receipts iterates over the receipts of a state, oldest first.
func (v *View) Receipts() iter.Seq[Receipt] {
	return func(yield func(Receipt) bool) {
		if v.receipts != nil {
			v.receipts.Scan(yield)
		}
	}
}

// hasCounted reports whether an addition had counted before, or another one with
// its key that is stored together with it. It refuses an addition whose key was
// used for another body, or for whose key there is no room. What it says does not
// hinge on other additions if the key had counted before them.
func (s *summing) hasCounted(a *addition) (bool, error) {
	if a.once == nil {
		return false, nil
	}
	r, known := s.receipts[a.once.id]
	if !known {
		var err error
		if r, known, err = s.gateway.receiptOf(a, len(s.receipts)+1, s.limits); err != nil {
			return false, err
		}
		a.hinges = a.hinges && !known
	}
	if known && r.Content != a.once.content {
		return false, fmt.Errorf("%w in the group %s; use a new key for each push", ErrKeyReused, a.key.Excerpt())
	}
	if known {
		a.once.Rejected = s.rejectedOf(a.once)
	}
	return known, nil
}

// receiptOf returns the receipt of an addition. It fails if there is none, and no
// room for more.
func (g *Gateway) receiptOf(a *addition, more int, l *Limits) (r Receipt, known bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rs, now := &g.index.receipts, g.config.Now()
	if r, known = rs.find(a.once.id, now); known || a.admitted {
		return r, known, nil
	}
	if err = rs.admit(more, l, now); err == nil {
		err = rs.shares.admit(a.client, l.Receipts-len(rs.known)-rs.reserved, l, now)
	}
	if a.admitted = err == nil; a.admitted {
		rs.shares.add(a.client, 1+len(a.once.rejected(0)), now)
	}
	return r, known, err
}

// receipt remembers that an addition counts.
func (s *summing) receipt(a *addition) {
	if a.once == nil {
		return
	}
	if s.receipts == nil {
		s.receipts = make(map[[16]byte]Receipt)
	}
	r := Receipt{ID: a.once.id, Content: a.once.content, At: s.gateway.config.Now().UnixNano()}
	for _, r := range append([]Receipt{r}, a.once.rejected(r.At)...) {
		s.receipts[r.ID] = r
		s.push.receipts = append(s.push.receipts, r)
	}
}

// catchUp applies what other members have stored, before a push with a key makes a
// group: one of them may have counted the push, and then ended the group. One may also
// have made the group that a push removes from.
func (g *Gateway) catchUp(p patience, push *Push) error {
	group := g.Group(push.Key)
	for _, a := range push.together {
		if a.once != nil && group == nil || len(a.removes) > 0 && group.hasNothing() {
			return g.sync(p)
		}
	}
	return nil
}
