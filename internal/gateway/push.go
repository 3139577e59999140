package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/sums"
)

// Push is what a client sends for one group.
type Push struct {
	Key grouping.Key
	// Client is the address of the client, or "" if unknown.
	Client string
	// Blocks belong to the gateway from here on. They do not include the families
	// that the gateway adds to each group, which pushes cannot set. A block
	// without series removes the group's family of that name.
	Blocks []*exposition.Block
	// Named means that the names and help texts of Blocks are already those of
	// stored blocks, as after exposition.Refill.
	Named bool
	// Mode selects what the group keeps.
	Mode Mode
	// Gauges says what Sum does to gauges.
	Gauges sums.Gauges
	// Unlabeled is what Sum does to series without the label clearmode, if Gauges is
	// sums.ByLabel.
	Unlabeled sums.Effect
	// Overwrites has the names of the families whose series Sum replaces, as
	// MergeSeries does, instead of adding to them.
	Overwrites map[string]bool
	// Removes are series that Sum removes from the group after it has added the
	// others. Their values do not matter. A push that only removes makes no group.
	Removes []*exposition.Block
	// Once makes the push count once, if the mode is Sum. Nil means that it counts
	// as often as it is sent.
	Once *Once
	// Limits bound the group. They have a value in each field. Nil means those of
	// the Config.
	Limits *Limits
	// Rule is the rule of a configuration file that matches the key, or nil.
	Rule *config.Rule
	// MaxBytes bounds each family that results from merging, in bytes. 0 means no
	// bound.
	MaxBytes int
	// Budget provides the memory for storing the push. Nil means no bound.
	Budget exposition.Budget
	// TTL is how long the group lives unless it is pushed to again. 0 means
	// forever.
	TTL time.Duration
	// SeriesTTL is how long the series that the push adds to live unless a push
	// adds to them again, if the mode is Sum. 0 means as long as the group.
	SeriesTTL time.Duration
	// Quotas bound what is stored. Nil means no bounds.
	Quotas *guard.Quotas

	own *addition // what the push adds; nil unless the mode is Sum
	// together are the additions that this push stores, its own among them.
	together []*addition
	receipts []Receipt // of what it adds
	ends     []*Ends   // of the series in each of Blocks; nil if no series ends
	// reconciled is how many histograms lose buckets.
	reconciled int
}

// endsOf returns when the series of a block end.
func (p *Push) endsOf(i int) *Ends {
	if p.ends == nil {
		return nil
	}
	return p.ends[i]
}

// Mode selects what a group keeps of its families when it is pushed to.
type Mode int

const (
	// MergeFamilies keeps the families that the push does not name.
	MergeFamilies Mode = iota
	// MergeSeries keeps the series that the push does not name, also in the
	// families that it names.
	MergeSeries
	// Replace keeps nothing.
	Replace
	// Sum adds what the push brings to the series that the group has.
	Sum
)

// Push stores what a client sends. When it returns nil, the push is durable as
// configured, and visible. After a ConflictError, only the failure time of the
// group has changed.
func (g *Gateway) Push(ctx context.Context, p Push) error {
	return g.PushAll(ctx, []Push{p})[0]
}

// PushAll stores pushes to different groups in one commit. If other changes of
// some groups are in progress, the pushes to these groups follow later. PushAll
// sorts pushes by key in place and returns one error for each, in that order,
// as Push does. The end of ctx gives up pushes that wait or are being checked,
// but not those that have gone to the journal.
func (g *Gateway) PushAll(ctx context.Context, pushes []Push) []error {
	slices.SortFunc(pushes, func(a, b Push) int { return cmp.Compare(a.Key, b.Key) })
	todo := make([]grouping.Key, len(pushes))
	for i, p := range pushes {
		todo[i] = p.Key
		slices.SortFunc(p.Blocks, func(a, b *exposition.Block) int { return strings.Compare(a.Name, b.Name) })
	}
	g.shareNames(pushes)
	for i := range pushes {
		if pushes[i].Mode == Sum {
			pushes[i].own = newAddition(pushes[i])
			g.additions.await(pushes[i].own)
		}
	}
	errs, p := make([]error, len(pushes)), g.patience(ctx)
	for len(todo) > 0 {
		todo = g.pushSome(p, pushes, todo, errs)
	}
	g.sweep()
	g.trimAfter(errs)
	return errs
}

// shareNames lets pushes use the names and help texts that other groups hold
// already. Nobody else has their blocks yet.
func (g *Gateway) shareNames(pushes []Push) {
	if !slices.ContainsFunc(pushes, func(p Push) bool { return !p.Named }) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range pushes {
		for _, b := range p.Blocks {
			b.Name, b.Help = g.index.known(b)
		}
	}
}

// pushSome stores those pushes to the groups in todo that need not wait for
// others, at least one. If it cannot lock any, it gives up the first. It
// returns the remaining groups.
func (g *Gateway) pushSome(p patience, pushes []Push, todo []grouping.Key, errs []error) (rest []grouping.Key) {
	first := slices.IndexFunc(pushes, func(push Push) bool { return push.Key == todo[0] })
	taken, err := g.locks.lockSome(p, todo, pushes[first].own.settled())
	if err != nil {
		errs[first] = g.notLocked(&pushes[first], err)
		return todo[1:]
	}
	defer g.locks.release(taken...)
	now, done := g.gather(pushes, indexesOf(pushes, taken), errs), false
	defer func() {
		for _, i := range now {
			if !done { // a panic: nobody may wait for what comes after it
				_ = g.leave(&pushes[i], errPanic)
			}
		}
	}()
	for len(now) > 0 {
		now = g.tryPushes(p, pushes, now, errs)
		if err := p.over(); err != nil {
			for _, i := range now {
				errs[i] = g.leave(&pushes[i], err)
			}
			break
		}
	}
	done = true
	return without(todo, taken)
}

var errPanic = errors.New("a defect of the gateway ended the push; nothing of it was stored")

// indexesOf returns the pushes to the groups in keys. Both are sorted by key.
func indexesOf(pushes []Push, keys []grouping.Key) (found []int) {
	for i := range pushes {
		if len(keys) > 0 && keys[0] == pushes[i].Key {
			found, keys = append(found, i), keys[1:]
		}
	}
	return found
}

// tryPushes tries the pushes in todo once. It returns those to try again,
// because another change of their groups came first, or because they must be
// stored alone.
func (g *Gateway) tryPushes(p patience, pushes []Push, todo []int, errs []error) (again []int) {
	changes, of, done := make([]Change, 0, len(todo)), make([]int, 0, len(todo)), false
	defer func() {
		if !done { // a panic
			g.abandon(changes)
		}
	}()
	for n, i := range todo {
		if err := p.client.Err(); n > 0 && err != nil {
			errs[i] = g.leave(&pushes[i], givenUp(err))
			continue
		}
		c, err := g.prepare(p, pushes[i])
		switch {
		case errors.Is(err, errCounted):
			errs[i] = g.answer(&pushes[i], nil)
		case err == nil:
			changes, of = append(changes, c), append(of, i)
		case pushes[i].isShared():
			g.separate(&pushes[i])
			again = append(again, i)
		default:
			errs[i] = g.answer(&pushes[i], err)
		}
	}
	if len(changes) == 0 {
		done = true
		return again
	}
	sent, end := p.sent()
	defer end()
	for n, o := range g.config.Journal.Commit(sent, changes) {
		i := of[n]
		retry, err := g.conclude(changes[n], o)
		if retry {
			again = append(again, i)
			continue
		}
		if err == nil {
			g.reconciled.Add(uint64(changes[n].reconciled))
			g.tellTaken(changes[n].pending)
		}
		errs[i] = g.answer(&pushes[i], err)
	}
	done = true
	return again
}

// abandon removes the provisional claims of changes whose outcome is not known,
// because a panic ends their pushes.
func (g *Gateway) abandon(changes []Change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range changes {
		if c.pending.fate != unknown {
			g.index.finish(c.pending, void)
		}
	}
}

// prepare returns the change of a push and places its provisional claims. The
// caller holds the lock of the group. Before it reports what other groups or the
// group itself are the reason of, it applies the latest changes of other members,
// which may have removed the reason.
func (g *Gateway) prepare(p patience, push Push) (Change, error) {
	if err := g.catchUp(p, &push); err != nil {
		return Change{}, err
	}
	g.expireFor(&push)
	seen, ended := g.foreign.Load(), g.expired.Load()
	c, old, err := g.changeNow(p, push)
	if mayBeOutdated(err, old) {
		if behind := g.sync(p); behind != nil {
			return c, behind
		}
		if g.endFor(err) || g.expired.Load() != ended || g.foreign.Load() != seen {
			c, _, err = g.changeNow(p, push)
		}
	}
	answered := push.own != nil && (len(push.together) > 1 || push.own.refused != nil) // answer stamps the failure
	if err != nil && !answered && isVerdict(err) {
		g.fail(push.Key, push.Client, err)
	}
	return c, err
}

// errEnded means that the group that a change was made from has ended before the
// change got its claims.
var errEnded = errors.New("the group has ended meanwhile")

// changeNow returns the change of a push to its group as it is now. It also returns
// that group, which may be nil.
func (g *Gateway) changeNow(p patience, push Push) (c Change, old *Group, err error) {
	for {
		old = g.Group(push.Key)
		if c, err = g.changeOf(p, push, old); !errors.Is(err, errEnded) {
			return c, old, err
		}
	}
}

// isVerdict reports whether an error is about what was pushed. The group then shows
// that its last push failed.
func isVerdict(err error) bool {
	return !errors.Is(err, ErrUnavailable) && !errors.Is(err, exposition.ErrBusy) && !errors.Is(err, errCounted)
}

// mayBeOutdated reports whether an error may be about what another member has
// changed: other groups, the quotas, or the group, which may be nil.
func mayBeOutdated(err error, group *Group) bool {
	if err == nil || errors.Is(err, ErrKeyReused) { // keys are remembered whatever happens
		return false
	}
	return isConflict(err) || isOverQuota(err) || group != nil && isVerdict(err)
}

func isConflict(err error) bool {
	conflict, twin := (*ConflictError)(nil), (*TwinError)(nil)
	return errors.As(err, &conflict) || errors.As(err, &twin)
}

func (g *Gateway) changeOf(p patience, push Push, old *Group) (c Change, err error) {
	fresh := push.Blocks
	if push.Mode == MergeSeries && !old.hasNothing() {
		if push.Blocks, push.ends, err = g.mergeSeries(p, old, push); err != nil {
			return c, err
		}
	}
	if push.Mode == Sum {
		if fresh, err = g.addUp(old, &push); err != nil {
			return c, err
		}
	}
	now := g.config.Now()
	group, err := g.pushed(old, push, now)
	if err != nil {
		return c, err
	}
	if err := cmp.Or(push.Limits, &g.config.Limits).check(group, old); err != nil {
		return c, err
	}
	brings, fresh := claiming(push.Blocks, fresh)
	pending, suspects, err := g.claim(p.client, g.check(push, now), group, old, brings, fresh, push.Quotas)
	if g.config.Unchecked && isConflict(err) { // it takes no names, but is stored all the same
		if group, err = g.pushed(old, push, now); err != nil {
			return c, err
		}
		pending, suspects, err = g.claim(p.client, nil, group, old, brings, fresh, push.Quotas)
	}
	if err == nil && len(push.receipts) > 0 {
		err = g.reserveReceipts(pending, len(push.receipts), cmp.Or(push.Limits, &g.config.Limits))
	}
	return Change{Key: push.Key, Group: group, Receipts: push.receipts, Budget: push.Budget, Against: g.against(push.Key, old), suspects: suspects, pending: pending, reconciled: push.reconciled}, err
}

// claiming returns the blocks that have series, and the elements of fresh that
// belong to them. Blocks without series claim nothing.
func claiming(blocks, fresh []*exposition.Block) (brings, freshOfThem []*exposition.Block) {
	empty := func(b *exposition.Block) bool { return b.Series() == 0 }
	if !slices.ContainsFunc(blocks, empty) {
		return blocks, fresh
	}
	for i, b := range blocks {
		if !empty(b) {
			brings, freshOfThem = append(brings, b), append(freshOfThem, fresh[i])
		}
	}
	return brings, freshOfThem
}

// mergeSeries merges the blocks of a push with the series that the group has
// already. It returns when series of the result end. Families that the group does
// not have yet come apart from those that were merged.
func (g *Gateway) mergeSeries(p patience, old *Group, push Push) ([]*exposition.Block, []*Ends, error) {
	merged, ends := make([]*exposition.Block, len(push.Blocks)), make([]*Ends, len(push.Blocks))
	var refused exposition.Refused
	for i, b := range push.Blocks {
		var err error
		h := old.Find(b.Name)
		if h == nil {
			merged[i], err = apart(b, push.Budget)
		} else if merged[i], err = g.merge(p, h.Block, b, push); err == nil {
			ends[i] = h.Ends.merged(h.Block, b, merged[i])
		}
		if err != nil && !refused.Add(err) {
			return nil, nil, err
		}
	}
	return merged, ends, refused.Err()
}

// merge waits for its turn if the family is large, since even a small push
// copies all that is stored. Clients with the fewest turns come first, so
// nobody waits for all pushes of another client. If the client has left and
// others wait for the group, merge gives up.
func (g *Gateway) merge(p patience, stored, pushed *exposition.Block, push Push) (*exposition.Block, error) {
	if stored.Series() > g.config.Limits.FreelyMerged {
		ctx, end := p.context()
		defer end()
		if ctx.Err() != nil && g.locks.isAwaited(push.Key) {
			return nil, givenUp(ctx.Err())
		}
		turn := g.merging.Open(push.Client)
		defer turn.Close()
		if turn.Wait(ctx, 1) != nil {
			return nil, givenUp(ctx.Err())
		}
	}
	return exposition.Merge(stored, pushed, push.MaxBytes, push.Budget)
}

// conclude turns the outcome of a change into an error. It reports whether to
// try again, because another change came first. If the outcome is unknown, it
// keeps the group locked until the journal reports the outcome.
func (g *Gateway) conclude(c Change, o Outcome) (retry bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x, p := g.index, c.pending
	switch {
	case o.Verdict == Committed || p.fate == happened:
		x.finish(p, happened)
		return false, nil
	case o.Verdict == Stale:
		x.finish(p, void)
		return true, nil
	case o.Verdict == Failed || p.fate == void:
		x.finish(p, void)
		return false, fmt.Errorf("%w: %w", ErrUnavailable, o.Err)
	}
	p.fate = unknown
	x.unknown[c.Key] = p
	g.locks.keep(c.Key)
	return false, fmt.Errorf("%w, but it may still be stored later: %w", ErrUnavailable, o.Err)
}
