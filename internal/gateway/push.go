package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
)

// Push is what a client sends for one group.
type Push struct {
	Key grouping.Key
	// Client is the address that it came from, "" if that is not known.
	Client string
	// Blocks are the gateway's own from here on. The families that the gateway
	// makes of times are not among them: pushed ones are ignored. One without
	// series takes away what the group has of its name.
	Blocks []*exposition.Block
	// Mode says what stays of the group.
	Mode Mode
	// MaxBytes bounds what each family takes that merging makes; 0 is no bound.
	MaxBytes int
	// Budget is where the memory comes from that storing it takes. No budget is
	// no bound.
	Budget exposition.Budget
	// TTL is how long the group lives unless it is pushed to again; 0 for ever.
	TTL time.Duration
}

// Mode is what a push does with what its group has already.
type Mode int

const (
	// MergeFamilies lets families stay that the push does not name.
	MergeFamilies Mode = iota
	// MergeSeries lets series that the push does not name stay too, within the
	// families that it names.
	MergeSeries
	// Replace lets nothing stay.
	Replace
)

// Push stores what a client sends. When it returns nil the push is durable as
// configured, and in the view. A ConflictError has changed nothing but the
// failure time of the group.
func (g *Gateway) Push(ctx context.Context, p Push) error {
	return g.PushAll(ctx, []Push{p})[0]
}

// PushAll stores what a client sends for several groups, all different, in one
// commit; those that somebody else is just changing follow when he is through.
// Each has an outcome of its own, as that of Push. Pushes are put in the order
// of their keys. They are given up if ctx ends while they are checked.
func (g *Gateway) PushAll(ctx context.Context, pushes []Push) []error {
	slices.SortFunc(pushes, func(a, b Push) int { return cmp.Compare(a.Key, b.Key) })
	todo := make([]grouping.Key, len(pushes))
	for i, p := range pushes {
		todo[i] = p.Key
		slices.SortFunc(p.Blocks, func(a, b *exposition.Block) int { return strings.Compare(a.Name, b.Name) })
	}
	errs := make([]error, len(pushes))
	for len(todo) > 0 {
		todo = g.pushSome(ctx, pushes, todo, errs)
	}
	g.sweep()
	g.trimAfter(errs)
	return errs
}

// pushSome stores those of the pushes to the groups in todo that need not wait
// for others, at least one. It gives the rest.
func (g *Gateway) pushSome(ctx context.Context, pushes []Push, todo []grouping.Key, errs []error) (rest []grouping.Key) {
	taken, unlock := g.locks.lockSome(todo)
	defer unlock()
	var now []int
	next := taken
	for i, p := range pushes {
		if len(next) > 0 && next[0] == p.Key {
			now, next = append(now, i), next[1:]
		}
	}
	for len(now) > 0 {
		now = g.tryPushes(ctx, pushes, now, errs)
	}
	return without(todo, taken)
}

// tryPushes makes one attempt at the pushes in todo. It gives those that are
// worth another: somebody else has changed their groups meanwhile.
func (g *Gateway) tryPushes(ctx context.Context, pushes []Push, todo []int, errs []error) (again []int) {
	changes, of := make([]Change, 0, len(todo)), make([]int, 0, len(todo))
	for n, i := range todo {
		if n > 0 && ctx.Err() != nil {
			errs[i] = givenUp(ctx.Err())
			continue
		}
		c, err := g.prepare(ctx, pushes[i])
		if errs[i] = err; err == nil {
			changes, of = append(changes, c), append(of, i)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	for n, o := range g.Journal.Commit(ctx, changes) {
		retry, err := g.conclude(changes[n].Key, o)
		if errs[of[n]] = err; retry {
			again = append(again, of[n])
		}
	}
	return again
}

// prepare makes the change of a push, with its provisional claims. The caller
// holds the lock of the group.
func (g *Gateway) prepare(ctx context.Context, p Push) (Change, error) {
	old := g.Group(p.Key)
	c, err := g.changeOf(ctx, p, old)
	if err != nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, exposition.ErrBusy) {
		g.fail(p.Key, p.Client, err)
	}
	return c, err
}

func (g *Gateway) changeOf(ctx context.Context, p Push, old *Group) (c Change, err error) {
	fresh := p.Blocks
	if p.Mode == MergeSeries && old != nil {
		if p.Blocks, err = g.mergeSeries(ctx, old, p); err != nil {
			return c, err
		}
	}
	group := pushed(old, p, g.Now())
	if err := g.Limits.check(group, old); err != nil {
		return c, err
	}
	brings, fresh := claiming(p.Blocks, fresh)
	suspects, err := g.claim(ctx, group, old, brings, fresh)
	return Change{Key: p.Key, Group: group, Budget: p.Budget, Against: g.against(p.Key, old), suspects: suspects, claimed: true}, err
}

// claiming gives the blocks that have series, as the others claim nothing, and
// those of fresh that belong to them.
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

// mergeSeries gives the blocks of a push with the series that the group has
// besides.
func (g *Gateway) mergeSeries(ctx context.Context, old *Group, p Push) ([]*exposition.Block, error) {
	merged := make([]*exposition.Block, len(p.Blocks))
	var refused exposition.Refused
	for i, b := range p.Blocks {
		merged[i] = b
		if h := old.Find(b.Name); h != nil {
			var err error
			if merged[i], err = g.merge(ctx, h.Block, b, p); err != nil && !refused.Add(err) {
				return nil, err
			}
		}
	}
	return merged, refused.Err()
}

// freelyMerged is how many stored series a family may have to be merged without
// a turn.
const freelyMerged = 10_000

// merge waits for its turn where a family is large: a small push copies all that
// is stored. Those who have fewest turns come first, so nobody waits for all
// pushes of another client. One whose client has gone meanwhile makes nobody wait.
func (g *Gateway) merge(ctx context.Context, stored, pushed *exposition.Block, p Push) (*exposition.Block, error) {
	if stored.Series() > freelyMerged {
		if ctx.Err() != nil && g.locks.isAwaited(p.Key) {
			return nil, givenUp(ctx.Err())
		}
		turn := g.merging.Open(p.Client)
		defer turn.Close()
		if turn.Wait(ctx, 1) != nil {
			return nil, givenUp(ctx.Err())
		}
	}
	return exposition.Merge(stored, pushed, p.MaxBytes, p.Budget)
}

// conclude turns the outcome of a change into an error. It is worth another
// attempt if somebody else was first.
func (g *Gateway) conclude(key grouping.Key, o Outcome) (retry bool, err error) {
	switch o.Verdict {
	case Committed:
		return false, nil
	case Stale:
		g.withdraw(key)
		return true, nil
	case Failed:
		g.withdraw(key)
		return false, fmt.Errorf("%w: %w", ErrUnavailable, o.Err)
	default:
		return false, fmt.Errorf("%w, or may have been: %w", ErrUnavailable, o.Err)
	}
}
