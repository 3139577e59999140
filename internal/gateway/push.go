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
	// Client is the address of the client, or "" if unknown.
	Client string
	// Blocks belong to the gateway from here on. They do not include the families
	// that the gateway makes of times, which are ignored in pushes. A block
	// without series removes the group's family of that name.
	Blocks []*exposition.Block
	// Replace replaces the whole group with Blocks. Otherwise the families that
	// the push does not name stay.
	Replace bool
	// MergeSeries keeps the series that the push does not name, also in the
	// families that it names.
	MergeSeries bool
	// MaxBytes bounds each family that results from merging, in bytes. 0 means no
	// bound.
	MaxBytes int
	// Budget provides the memory for storing the push. Nil means no bound.
	Budget exposition.Budget
	// TTL is how long the group lives unless it is pushed to again. 0 means
	// forever.
	TTL time.Duration
}

// Push stores what a client sends. When it returns nil, the push is durable as
// configured, and in the view. A push with a ConflictError has changed nothing
// but the failure time of the group.
func (g *Gateway) Push(ctx context.Context, p Push) error {
	return g.PushAll(ctx, []Push{p})[0]
}

// PushAll stores what a client sends for several distinct groups in one commit.
// Groups that another change is using follow when they are free. Each push has
// its own outcome, as from Push. PushAll sorts the pushes by key. It gives up
// if ctx ends during the checks.
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

// pushSome stores the pushes to groups in todo that need not wait for others,
// at least one. It gives the rest.
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

// tryPushes tries the pushes in todo once. It returns those to try again,
// because another change of their groups came first.
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
	if p.MergeSeries && old != nil {
		if p.Blocks, err = g.mergeSeries(ctx, old, p); err != nil {
			return c, err
		}
	}
	group := pushed(old, p, g.Now())
	if err := g.Limits.check(group, old); err != nil {
		return c, err
	}
	suspects, err := g.claim(ctx, group, old, claiming(p.Blocks))
	return Change{Key: p.Key, Group: group, Budget: p.Budget, Against: g.against(p.Key, old), suspects: suspects, claimed: true}, err
}

// claiming returns the blocks that have series. The others claim nothing.
func claiming(blocks []*exposition.Block) []*exposition.Block {
	empty := func(b *exposition.Block) bool { return b.Series() == 0 }
	if !slices.ContainsFunc(blocks, empty) {
		return blocks
	}
	return slices.DeleteFunc(slices.Clone(blocks), empty)
}

// mergeSeries merges the blocks of a push with the series that the group has
// already.
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

// merge waits for its turn if a family is large, since a small push takes as
// long as all that is stored. Clients with the fewest turns come first, so
// nobody waits for all pushes of another client.
func (g *Gateway) merge(ctx context.Context, stored, pushed *exposition.Block, p Push) (*exposition.Block, error) {
	if stored.Series() > freelyMerged {
		turn := g.merging.Open(p.Client)
		defer turn.Close()
		if turn.Wait(ctx, 1) != nil {
			return nil, givenUp(ctx.Err())
		}
	}
	return exposition.Merge(stored, pushed, p.MaxBytes, p.Budget)
}

// conclude turns the outcome of a change into an error. It reports whether to
// try again, because another change came first.
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
		return false, fmt.Errorf("%w, but it may turn out stored later: %w", ErrUnavailable, o.Err)
	}
}
