package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/sums"
)

// Pushes that add to one group do not wait for the disk one after another. The
// one that locks the group adds up all that wait for it, and stores the result in
// one commit. Each has its own verdict.

// addition is what one push adds to a group.
type addition struct {
	key    grouping.Key
	client string
	blocks []*exposition.Block // those with series, sorted by name
	// gauges, unlabeled, overwrites and removes are as in Push.
	gauges     sums.Gauges
	unlabeled  sums.Effect
	overwrites map[string]bool
	removes    []*exposition.Block
	ttl        time.Duration
	// seriesTTL is how long the series that it adds to live without more, or 0.
	seriesTTL time.Duration
	once      *Once // nil if it counts as often as it is sent
	// alone means that it must not be stored together with others, since one of
	// them was refused for what only the engine sees.
	alone    bool
	admitted bool          // there was room for its receipt, and its client was not over its share
	refused  error         // why the push itself is refused, while it is tried
	replayed bool          // it had counted before
	idle     bool          // it only removes, and the group is not there
	hinges   bool          // either is so only if the additions before it are stored
	err      error         // its outcome, valid once done is closed
	left     error         // why its client waits no longer, although somebody has taken it; guarded by additions.mu
	done     chan struct{} // closed once it is stored or refused
}

func newAddition(p Push) *addition {
	empty := func(b *exposition.Block) bool { return b.Series() == 0 } // it adds nothing
	return &addition{
		key: p.Key, client: p.Client, blocks: slices.DeleteFunc(p.Blocks, empty),
		gauges: p.Gauges, unlabeled: p.Unlabeled, overwrites: p.Overwrites, removes: p.Removes,
		ttl: p.TTL, seriesTTL: p.SeriesTTL, once: p.Once, done: make(chan struct{}),
	}
}

// onlyRemoves reports whether the addition has nothing but series to remove.
func (a *addition) onlyRemoves() bool { return len(a.blocks) == 0 && len(a.removes) > 0 }

// settled returns a channel that is closed once the addition is stored or
// refused. For nil it is never closed.
func (a *addition) settled() <-chan struct{} {
	if a == nil {
		return nil
	}
	return a.done
}

// additions are those that wait for their groups. It is safe for concurrent use.
type additions struct {
	mu      sync.Mutex
	waiting map[grouping.Key][]*addition
}

// maxTogether bounds how many additions are stored together. A message of NATS has
// room for the receipts of a few times as many.
const maxTogether = 250

// await lets additions wait. Those whose clients wait no longer end.
func (as *additions) await(all ...*addition) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.waiting == nil {
		as.waiting = make(map[grouping.Key][]*addition)
	}
	for _, a := range all {
		if a.err = a.left; a.err != nil {
			close(a.done)
			continue
		}
		as.waiting[a.key] = append(as.waiting[a.key], a)
	}
}

// take returns the additions to store together with own, in the order in which
// they came. They no longer wait. It returns nil if somebody else took own.
func (as *additions) take(own *addition) []*addition {
	as.mu.Lock()
	defer as.mu.Unlock()
	waiting := as.waiting[own.key]
	at := slices.Index(waiting, own)
	if at < 0 {
		return nil
	}
	with := func(i int, a *addition) bool { return i == at || !own.alone && !a.alone }
	var taken, left []*addition
	for i, a := range waiting {
		if with(i, a) && (len(taken) < maxTogether-1 || i == at) {
			taken = append(taken, a)
		} else {
			left = append(left, a)
		}
	}
	as.keep(own.key, left)
	return taken
}

// withdraw removes an addition from those that wait, because of err. It returns
// false if somebody has taken it, who stores it or ends it.
func (as *additions) withdraw(a *addition, err error) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	waiting := as.waiting[a.key]
	at := slices.Index(waiting, a)
	if at < 0 {
		a.left = err
		return false
	}
	as.keep(a.key, slices.Delete(waiting, at, at+1))
	return true
}

func (as *additions) keep(key grouping.Key, waiting []*addition) {
	if len(waiting) == 0 {
		delete(as.waiting, key)
		return
	}
	as.waiting[key] = waiting
}

// errSettled means that an addition was stored or refused together with others
// while it waited for its group.
var errSettled = errors.New("somebody else has stored it")

// gather takes the additions that wait for the groups of those pushes in todo
// that add up. It returns the pushes that are still to be stored.
func (g *Gateway) gather(pushes []Push, todo []int, errs []error) []int {
	return slices.DeleteFunc(todo, func(i int) bool {
		own := pushes[i].own
		if own == nil {
			return false
		}
		if pushes[i].together = g.additions.take(own); pushes[i].together != nil {
			return false
		}
		<-own.done // already closed: nobody else stores while this push holds the lock
		errs[i] = own.err
		return true
	})
}

// notLocked returns the outcome of a push whose group could not be locked.
func (g *Gateway) notLocked(p *Push, err error) error {
	if p.own == nil || g.additions.withdraw(p.own, err) {
		return err
	}
	<-p.own.done
	return p.own.err
}

// answer ends the additions of a push with its outcome, and returns that of its
// own.
func (g *Gateway) answer(p *Push, outcome error) error {
	if p.own == nil {
		return outcome
	}
	for _, a := range p.together {
		if a.err = a.outcome(outcome); a.refused != nil && a.err == a.refused && isVerdict(a.refused) {
			g.fail(a.key, a.client, a.refused)
		}
		if a.once != nil {
			a.once.Replayed, a.once.Idle = a.replayed && a.err == nil, a.idle && a.err == nil
		}
		close(a.done)
	}
	p.together = nil
	return p.own.err
}

// outcome returns the outcome of an addition, given that of what it was tried
// together with. Only what is stored refuses an addition, or has counted it.
func (a *addition) outcome(stored error) error {
	switch {
	case a.hinges && stored != nil:
		return stored
	case a.refused != nil:
		return a.refused
	case a.replayed || a.idle:
		return nil
	}
	return stored
}

// isShared reports whether a push stores additions of others, or some that may not
// be refused without those.
func (p *Push) isShared() bool {
	return slices.ContainsFunc(p.together, func(a *addition) bool { return a != p.own && (a.refused == nil || a.hinges) })
}

// separate leaves the additions of others to these, each alone, because one of
// all is refused.
func (g *Gateway) separate(p *Push) {
	for _, a := range p.together {
		a.alone = true
	}
	g.handBack(p)
}

// leave ends a push that has waited in vain. The additions of others wait on.
func (g *Gateway) leave(p *Push, err error) error {
	g.handBack(p)
	return g.answer(p, err)
}

// handBack leaves the additions of others to these.
func (g *Gateway) handBack(p *Push) {
	if len(p.together) < 2 {
		return
	}
	g.additions.await(slices.DeleteFunc(p.together, func(a *addition) bool { return a == p.own })...)
	p.together = []*addition{p.own}
}

// addUp sets the blocks of a push to the sums of what its group has and the
// additions that it stores. It returns what is new in each block. If no addition
// is to be stored, it fails: with the reason why one is refused, or with errCounted
// if all had counted before or have nothing to remove from.
func (g *Gateway) addUp(old *Group, p *Push) (fresh []*exposition.Block, err error) {
	s := summing{gateway: g, old: old, push: p, limits: cmp.Or(p.Limits, &g.config.Limits), families: make(map[string]*sums.Family)}
	if old != nil {
		s.series = old.Series
	}
	var added []*addition
	for _, a := range p.together {
		a.hinges, a.idle = len(added) > 0, false
		if a.replayed, a.refused = s.hasCounted(a); a.replayed || a.refused != nil {
			continue
		}
		if a.idle = len(added) == 0 && a.onlyRemoves() && old.hasNothing(); a.idle {
			continue
		}
		if a.refused = s.add(a); a.refused == nil {
			a.hinges = false
			added = append(added, a)
			s.receipt(a)
		}
	}
	if len(added) == 0 {
		return nil, p.nothingAdded()
	}
	p.TTL = added[len(added)-1].ttl
	if p.Blocks, p.ends, err = s.blocks(); err != nil {
		return nil, err
	}
	if len(added) == 1 && added[0].gauges != sums.ByLabel && len(added[0].removes) == 0 {
		return added[0].blocks, nil
	}
	return p.Blocks, nil
}

// nothingAdded returns the error of addUp for a push of which nothing is to be stored. If
// several additions are refused, it is the reason of one that the changes of
// other members may bear on, if there is one.
func (p *Push) nothingAdded() error {
	err := errCounted
	for _, a := range p.together {
		if a.refused != nil && (err == errCounted || errors.Is(err, ErrKeyReused)) {
			err = a.refused
		}
	}
	return err
}

// summing is the work of addUp.
type summing struct {
	gateway  *Gateway
	old      *Group
	push     *Push
	limits   *Limits
	receipts map[[16]byte]Receipt    // of what it adds
	families map[string]*sums.Family // those that change
	series   int                     // of the group
}

// add adds all families of a push, or none.
func (s *summing) add(a *addition) error {
	plans, grows := make([]*sums.Addition, len(a.blocks)), 0
	by := sums.Push{Gauges: a.gauges, Unlabeled: a.unlabeled, At: s.gateway.config.Now(), MaxBuckets: s.limits.SumBuckets}
	if a.seriesTTL > 0 {
		if err := s.gateway.Allows(Format2); err != nil {
			return err
		}
		by.Ends = by.At.Add(a.seriesTTL).UnixNano()
	}
	if err := s.pay(a); err != nil {
		return err
	}
	var refused exposition.Refused
	for i, b := range a.blocks {
		f := s.family(b)
		by.Overwrites = a.overwrites[b.Name]
		plan, err := f.Plan(b, by)
		if err != nil {
			refused.Add(err)
			continue
		}
		plans[i], grows = plan, grows+plan.Grows
	}
	if err := refused.Err(); err != nil {
		return err
	}
	if most := s.limits.SumSeries; grows > 0 && s.series+grows > most {
		if left := grows - s.leaving(a.removes); left > 0 && s.series+left > most {
			return s.limits.tooManySums(a.key, s.series+left)
		}
	}
	for _, plan := range plans {
		plan.Apply()
		s.families[plan.Family().Name()] = plan.Family()
		s.push.reconciled += plan.Reconciled
	}
	s.series += grows
	for _, b := range a.removes {
		s.remove(b)
	}
	return nil
}

// pay takes the memory for reading families that are larger than sums can become,
// since a plain push may have made them. The push returns it when it ends.
func (s *summing) pay(a *addition) error {
	for _, b := range slices.Concat(a.blocks, a.removes) {
		h := s.old.findSeries(b.Name)
		if h == nil || h.Block.Series() <= s.limits.SumSeries || s.families[b.Name] != nil || s.push.Budget == nil {
			continue
		}
		const aSeries = 300
		if err := s.push.Budget.Take(2*h.Block.Size() + aSeries*h.Block.Series()); err != nil {
			return err
		}
	}
	return nil
}

// leaving returns how many series of the group an addition removes.
func (s *summing) leaving(removes []*exposition.Block) (n int) {
	for _, b := range removes {
		if s.families[b.Name] != nil || s.old.findSeries(b.Name) != nil {
			n += s.family(b).Shared(b)
		}
	}
	return n
}

// remove removes series from what the group has of a family.
func (s *summing) remove(b *exposition.Block) {
	if s.families[b.Name] == nil && s.old.findSeries(b.Name) == nil {
		return
	}
	f := s.family(b)
	if removed := f.Remove(b); removed > 0 {
		s.families[f.Name()] = f
		s.series -= removed
	}
}

// family returns the family that a block is added to.
func (s *summing) family(b *exposition.Block) *sums.Family {
	if f := s.families[b.Name]; f != nil {
		return f
	}
	if h := s.old.findSeries(b.Name); h != nil {
		return sums.Of(h.Block, h.Ends.At(), b)
	}
	return sums.Like(b)
}

// blocks returns the families that have changed, sorted by name, and when their
// series end.
func (s *summing) blocks() (blocks []*exposition.Block, ends []*Ends, err error) {
	for _, name := range slices.Sorted(maps.Keys(s.families)) {
		f := s.families[name]
		b, err := f.Block(s.push.MaxBytes, s.push.Budget)
		if err != nil {
			return nil, nil, err
		}
		blocks, ends = append(blocks, b), append(ends, NewEnds(f.Ends()))
	}
	return blocks, ends, nil
}

// tooManySums refuses a push that would add series to a group beyond the limit.
func (l *Limits) tooManySums(key grouping.Key, series int) error {
	return &guard.LimitError{
		Limit: guard.LimitSeriesPerSum, At: l.Sources[guard.LimitSeriesPerSum], Err: exposition.ErrTooLarge,
		Says:   fmt.Sprintf("%v: the group %s, which pushes add to, would have %d series, more than the limit of %d", exposition.ErrTooLarge, key.Excerpt(), series, l.SumSeries),
		Advice: "add to several groups",
	}
}
