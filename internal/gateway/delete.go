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
	_, err := g.End(ctx, key)
	return err
}

// End deletes a group and reports whether it existed.
func (g *Gateway) End(ctx context.Context, key grouping.Key) (existed bool, err error) {
	defer g.sweep()
	p := g.patience(ctx)
	if err := g.locks.lock(p, key, nil); err != nil {
		return false, err
	}
	defer g.locks.release(key)
	if err := g.sync(p); err != nil {
		return false, err
	}
	sent, end := p.sent()
	defer end()
	for {
		old := g.Group(key)
		against := g.against(key, old)
		if old == nil && against == 0 {
			return false, g.certain()
		}
		c := endOf(key, against)
		retry, err := g.conclude(c, g.config.Journal.Commit(sent, []Change{c})[0])
		if !retry {
			return old != nil, err
		}
		if err := p.over(); err != nil {
			return false, err
		}
	}
}

// endOf returns the change that ends a group.
func endOf(key grouping.Key, against Revision) Change {
	return Change{Key: key, Against: against, pending: &pending{key: key, own: true}}
}

// certain returns an error if a crash could leave another state than the
// present one. The journal may then hold refused pushes, which a delete would
// not see.
func (g *Gateway) certain() error {
	if err := g.config.Journal.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Wipe deletes all groups that exist when it begins, and returns them. After an
// error, groups that were not returned may still exist.
func (g *Gateway) Wipe(ctx context.Context) (ended []*Group, err error) {
	return g.DeleteMatching(ctx, func(*Group) bool { return true })
}

// DeleteMatching deletes the groups that match when it begins, and returns
// them. matches is called for every group.
//
// Groups without a push in progress end first, a thousand in each commit, so that
// pushes to others go on. For each of the others, DeleteMatching waits until the
// push is finished, without making anybody else wait, and deletes the group if it
// still matches. A push to a group that did not exist may come before or after the
// delete. After an error, groups that were not returned may still exist.
func (g *Gateway) DeleteMatching(ctx context.Context, matches func(*Group) bool) (ended []*Group, err error) {
	defer g.sweep()
	if err := g.Sync(ctx); err != nil {
		return nil, err
	}
	d := deletion{g: g, matches: matches}
	if d.begin(); len(d.todo) == 0 {
		return nil, g.certain()
	}
	var busy []grouping.Key
	for some := range slices.Chunk(d.todo, maxExpired) {
		left, err := d.endFree(ctx, some)
		if err != nil {
			return d.ended, err
		}
		busy = append(busy, left...)
	}
	for d.todo = busy; len(d.todo) > 0 && err == nil; {
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

// begin finds the groups that match, and all ghosts, so that a clock that is
// set back cannot bring back a deleted group. If the journal ends groups, a
// group may be a ghost only by this member's clock, so a ghost must match too.
func (d *deletion) begin() {
	for group := range d.g.View().EachGroup("") {
		if d.matches(group) {
			d.matched, d.todo = append(d.matched, group), append(d.todo, group.Key)
		}
	}
	d.g.mu.Lock()
	ghosts := d.g.index.ghosts.Copy()
	d.g.mu.Unlock()
	ghosts.Scan(func(key grouping.Key, left ghost) bool {
		if left.group == nil || d.matches(left.group) {
			d.todo = append(d.todo, key)
		}
		return true
	})
	slices.Sort(d.todo)
	d.todo = slices.Compact(d.todo)
}

// stillMatches calls matches only if the group has changed, since pushes to it
// wait meanwhile.
func (d *deletion) stillMatches(group *Group) bool {
	i, found := slices.BinarySearchFunc(d.matched, group.Key, func(m *Group, key grouping.Key) int { return cmp.Compare(m.Key, key) })
	return found && d.matched[i] == group || d.matches(group)
}

// endFree deletes those of the groups that nobody is pushing to, and returns the
// others.
func (d *deletion) endFree(ctx context.Context, keys []grouping.Key) (busy []grouping.Key, err error) {
	taken := d.g.locks.tryLock(keys)
	return without(keys, taken), d.end(d.g.patience(ctx), taken)
}

// endSome deletes the groups that it need not wait for, at least one.
func (d *deletion) endSome(ctx context.Context) (err error) {
	p := d.g.patience(ctx)
	taken, err := d.g.locks.lockSome(p, d.todo, nil)
	if err != nil {
		return err
	}
	d.todo = without(d.todo, taken)
	return d.end(p, taken)
}

// end deletes groups and releases their locks.
func (d *deletion) end(p patience, taken []grouping.Key) (err error) {
	defer d.g.locks.release(taken...)
	for keys := taken; len(keys) > 0 && err == nil; {
		if keys, err = d.tryEnd(p, keys); len(keys) > 0 && err == nil {
			err = p.over()
		}
	}
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
func (d *deletion) tryEnd(p patience, keys []grouping.Key) (again []grouping.Key, err error) {
	groups, changes := make([]*Group, 0, len(keys)), make([]Change, 0, len(keys))
	for _, key := range keys {
		group := d.g.Group(key)
		if group != nil && !d.stillMatches(group) {
			continue
		}
		if against := d.g.against(key, group); group != nil || against != 0 {
			groups, changes = append(groups, group), append(changes, endOf(key, against))
		}
	}
	if len(changes) == 0 {
		return nil, d.g.certain()
	}
	sent, end := p.sent()
	defer end()
	for i, o := range d.g.config.Journal.Commit(sent, changes) {
		retry, failed := d.g.conclude(changes[i], o)
		switch {
		case retry:
			again = append(again, changes[i].Key)
		case failed != nil:
			err = fmt.Errorf("deleting %d groups: %w", len(changes), failed)
		case groups[i] != nil:
			d.ended = append(d.ended, groups[i])
		}
	}
	return again, err
}
