package gateway

import (
	"context"
	"fmt"
	"slices"

	"pushgateway/internal/grouping"
)

// Delete ends a group. To end one that does not exist is no error.
func (g *Gateway) Delete(ctx context.Context, key grouping.Key) error {
	defer g.sweep()
	defer g.locks.lock(key)()
	for {
		old := g.Group(key)
		if old == nil && g.against(key, nil) == 0 {
			return g.absent(key)
		}
		retry, err := g.commit(ctx, Change{Key: key}, old)
		if !retry {
			return err
		}
	}
}

// commit hands one change to the journal, and concludes it.
func (g *Gateway) commit(ctx context.Context, c Change, old *Group) (retry bool, err error) {
	c.Against = g.against(c.Key, old)
	return g.conclude(c.Key, g.Journal.Commit(ctx, []Change{c})[0])
}

// absent tells whether it is certain that a group does not exist.
func (g *Gateway) absent(key grouping.Key) error {
	g.mu.Lock()
	unresolved := g.index.pending[key] != nil
	g.mu.Unlock()
	if unresolved {
		return errUnresolved
	}
	return g.certain()
}

// certain tells whether what is seen here is what a crash would leave. It is
// not while the journal may hold pushes that it has refused: a delete that
// finds nothing of them does not end them.
func (g *Gateway) certain() error {
	if err := g.Journal.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Wipe ends all groups there are when it begins.
func (g *Gateway) Wipe(ctx context.Context) error {
	_, err := g.DeleteMatching(ctx, func(*Group) bool { return true })
	return err
}

// DeleteMatching ends the groups that match when it begins, and gives them.
// Matches is called for every group there is.
//
// Those that nobody is just pushing to end in one commit. For each of the
// others it waits until that push is through, and makes nobody wait meanwhile;
// then the group ends if it still matches. A push to a group that did not exist
// may come before it or after it. An error means that the groups which it does
// not give may still be there.
func (g *Gateway) DeleteMatching(ctx context.Context, matches func(*Group) bool) (ended []*Group, err error) {
	defer g.sweep()
	todo := g.endable(matches)
	if len(todo) == 0 {
		return nil, g.certain()
	}
	for len(todo) > 0 && err == nil {
		var some []*Group
		some, todo, err = g.endSome(ctx, todo, matches)
		ended = append(ended, some...)
	}
	return ended, err
}

// endSome ends those of the groups in todo that it need not wait for, at least
// one. It gives the rest.
func (g *Gateway) endSome(ctx context.Context, todo []grouping.Key, matches func(*Group) bool) (ended []*Group, rest []grouping.Key, err error) {
	taken, unlock := g.locks.lockSome(todo)
	defer unlock()
	ended, err = g.endLocked(ctx, taken, matches)
	return ended, without(todo, taken), err
}

// endable are the keys of the groups that match, and of all ghosts: no clock
// that is set back may bring back what a delete has not seen any more.
func (g *Gateway) endable(matches func(*Group) bool) (keys []grouping.Key) {
	for group := range g.View().EachGroup("") {
		if matches(group) {
			keys = append(keys, group.Key)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.index.ghosts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// without gives the keys that are not taken. Both are sorted.
func without(keys, taken []grouping.Key) []grouping.Key {
	return slices.DeleteFunc(keys, func(key grouping.Key) bool {
		_, found := slices.BinarySearch(taken, key)
		return found
	})
}

// endLocked ends those groups that still match, in one commit, and removes the
// records of ghosts. The caller holds the locks of all of them.
func (g *Gateway) endLocked(ctx context.Context, keys []grouping.Key, matches func(*Group) bool) (ended []*Group, err error) {
	for len(keys) > 0 && err == nil {
		var more []*Group
		more, keys, err = g.tryEnd(ctx, keys, matches)
		ended = append(ended, more...)
	}
	return ended, err
}

// tryEnd makes one attempt. It gives the keys that are worth another: somebody
// else has changed their groups meanwhile.
func (g *Gateway) tryEnd(ctx context.Context, keys []grouping.Key, matches func(*Group) bool) (ended []*Group, again []grouping.Key, err error) {
	groups, changes := make([]*Group, 0, len(keys)), make([]Change, 0, len(keys))
	for _, key := range keys {
		group := g.Group(key)
		if group != nil && !matches(group) {
			continue
		}
		if against := g.against(key, group); against != 0 {
			groups, changes = append(groups, group), append(changes, Change{Key: key, Against: against})
		}
	}
	if len(changes) == 0 {
		return nil, nil, g.certain()
	}
	for i, o := range g.Journal.Commit(ctx, changes) {
		switch o.Verdict {
		case Committed:
			if groups[i] != nil {
				ended = append(ended, groups[i])
			}
		case Stale:
			again = append(again, changes[i].Key)
		case Failed, Unknown:
			err = fmt.Errorf("deleting %d groups: %w: %w", len(changes), ErrUnavailable, o.Err)
		}
	}
	return ended, again, err
}
