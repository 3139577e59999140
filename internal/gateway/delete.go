package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"pushgateway/internal/grouping"
)

// Delete deletes a group. Deleting a group that does not exist is no error.
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

// commit passes one change to the journal and concludes it.
func (g *Gateway) commit(ctx context.Context, c Change, old *Group) (retry bool, err error) {
	c.Against = g.against(c.Key, old)
	return g.conclude(c.Key, g.Journal.Commit(ctx, []Change{c})[0])
}

// absent reports whether a group certainly does not exist.
func (g *Gateway) absent(key grouping.Key) error {
	g.mu.Lock()
	unresolved := g.index.pending[key] != nil
	g.mu.Unlock()
	if unresolved {
		return errUnresolved
	}
	return g.certain()
}

// certain reports whether the present state is what a crash would leave. It is
// not while the journal may hold pushes that were refused: a delete that does
// not see them would not delete them.
func (g *Gateway) certain() error {
	if err := g.Journal.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Wipe deletes all groups that exist when it begins.
func (g *Gateway) Wipe(ctx context.Context) error {
	_, err := g.DeleteMatching(ctx, func(*Group) bool { return true })
	return err
}

// DeleteMatching deletes the groups that match when it begins, and returns
// them. matches is called for every group.
//
// Groups without a push in progress end in one commit. For each of the others,
// DeleteMatching waits until the push is finished, without making anybody else
// wait, and deletes the group if it still matches. A push to a group that did
// not exist may come before or after the delete. After an error, groups that
// were not returned may still exist.
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
	todo    []grouping.Key // keys of those still to be deleted, and of ghosts, sorted
	ended   []*Group
}

// begin finds the matching groups and all ghosts. Ghosts are included so that a
// clock that is set back cannot bring back groups that the delete did not see.
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

// stillMatches calls matches only if the group has changed, since pushes to it
// wait meanwhile.
func (d *deletion) stillMatches(group *Group) bool {
	i, found := slices.BinarySearchFunc(d.matched, group.Key, func(m *Group, key grouping.Key) int { return cmp.Compare(m.Key, key) })
	return found && d.matched[i] == group || d.matches(group)
}

// endSome deletes the groups that it need not wait for, at least one.
func (d *deletion) endSome(ctx context.Context) (err error) {
	taken, unlock := d.g.locks.lockSome(d.todo)
	defer unlock()
	for keys := taken; len(keys) > 0 && err == nil; {
		keys, err = d.tryEnd(ctx, keys)
	}
	d.todo = without(d.todo, taken)
	return err
}

// without returns the keys that are not in taken. Both are sorted.
func without(keys, taken []grouping.Key) []grouping.Key {
	return slices.DeleteFunc(keys, func(key grouping.Key) bool {
		_, found := slices.BinarySearch(taken, key)
		return found
	})
}

// tryEnd tries once to delete groups in one commit, with the records of ghosts.
// The caller holds their locks. It returns those to try again, because another
// change came first.
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
