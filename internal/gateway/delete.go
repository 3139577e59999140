package gateway

import (
	"cmp"
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
	d := deletion{g: g, matches: matches}
	if d.begin(); len(d.todo) == 0 {
		return nil, g.certain()
	}
	for len(d.todo) > 0 && err == nil {
		err = d.endSome(ctx)
	}
	return d.ended, err
}

// deletion is a delete of many groups.
type deletion struct {
	g       *Gateway
	matches func(*Group) bool
	matched []*Group       // when it began, sorted by key
	todo    []grouping.Key // of those that it has still to end, and of ghosts, sorted
	ended   []*Group
}

// begin finds what matches, and all ghosts: no clock that is set back may bring
// back what a delete has not seen any more.
func (d *deletion) begin() {
	for group := range d.g.View().EachGroup("") {
		if d.matches(group) {
			d.matched, d.todo = append(d.matched, group), append(d.todo, group.Key)
		}
	}
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	for key := range d.g.index.ghosts {
		d.todo = append(d.todo, key)
	}
	slices.Sort(d.todo)
	d.todo = slices.Compact(d.todo)
}

// stillMatches asks matches only where the group has changed: those who push to
// it wait for the answer.
func (d *deletion) stillMatches(group *Group) bool {
	i, found := slices.BinarySearchFunc(d.matched, group.Key, func(m *Group, key grouping.Key) int { return cmp.Compare(m.Key, key) })
	return found && d.matched[i] == group || d.matches(group)
}

// endSome ends those of the groups that it need not wait for, at least one.
func (d *deletion) endSome(ctx context.Context) (err error) {
	taken, unlock := d.g.locks.lockSome(d.todo)
	defer unlock()
	for keys := taken; len(keys) > 0 && err == nil; {
		keys, err = d.tryEnd(ctx, keys)
	}
	d.todo = without(d.todo, taken)
	return err
}

// without gives the keys that are not taken. Both are sorted.
func without(keys, taken []grouping.Key) []grouping.Key {
	return slices.DeleteFunc(keys, func(key grouping.Key) bool {
		_, found := slices.BinarySearch(taken, key)
		return found
	})
}

// tryEnd makes one attempt to end groups in one commit, with the records of
// ghosts. The caller holds their locks. It gives those that are worth another:
// somebody else has changed them meanwhile.
func (d *deletion) tryEnd(ctx context.Context, keys []grouping.Key) (again []grouping.Key, err error) {
	groups, changes := make([]*Group, 0, len(keys)), make([]Change, 0, len(keys))
	for _, key := range keys {
		group := d.g.Group(key)
		if group != nil && !d.stillMatches(group) {
			continue
		}
		if against := d.g.against(key, group); against != 0 {
			groups, changes = append(groups, group), append(changes, Change{Key: key, Against: against})
		}
	}
	if len(changes) == 0 {
		return nil, d.g.certain()
	}
	for i, o := range d.g.Journal.Commit(ctx, changes) {
		switch o.Verdict {
		case Committed:
			if groups[i] != nil {
				d.ended = append(d.ended, groups[i])
			}
		case Stale:
			again = append(again, changes[i].Key)
		case Failed, Unknown:
			err = fmt.Errorf("deleting %d groups: %w: %w", len(changes), ErrUnavailable, o.Err)
		}
	}
	return again, err
}
