package gateway

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"github.com/tidwall/btree"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Groups that end at the same moment are a mass if they are a large part of all.
// One tree of the index after the other is then made anew from what stays, while
// pushes go on. That takes a fraction of the time of removing one group after the
// other, and holds mu for moments only.
//
// The deadlines of the groups go last. Until then, whoever reads waits in expire,
// and so does a push that is refused for what others have, so nobody acts on a
// state in between. From the moment that the groups are gone, what is left of them
// belongs to the mass. Groups that change before that moment are not part of it,
// and end by themselves.

const (
	// massPart is the part of all groups that a mass is at least: every group is looked
	// at.
	massPart = 8
	// maxMassHolders bounds how many families a mass may have series of, since mu is
	// held while they are looked up. Groups with more end one by one.
	maxMassHolders = 1000
	// fewChanges is how many changes a new tree catches up with while mu is held.
	fewChanges = 50
)

// pace says how masses of groups end.
type pace struct {
	fewest int    // groups that are a mass
	turn   int    // groups to look at before others get their turn
	rest   func() // gives others their turn
}

func usualPace() pace { return pace{1000, 500, runtime.Gosched} }

// after gives others their turn after each so many groups.
func (p *pace) after(seen int) {
	if seen%p.turn == 0 {
		p.rest()
	}
}

// changes are what happens to trees while smaller ones are made from copies of
// them. Gateway.mu guards it.
type changes[T any] struct {
	noting bool
	list   []T
}

func (c *changes[T]) note(change T) {
	if c.noting {
		c.list = append(c.list, change)
	}
}

// follow makes the changes to new trees until none is missing. Then it calls swap,
// which must put them in the place of the old ones, and ends noting. Both hold mu.
func (c *changes[T]) follow(mu *sync.Mutex, redo func(T), swap func()) {
	for missed := c.next(mu, redo, swap); missed != nil; missed = c.next(mu, redo, swap) {
		for _, change := range missed {
			redo(change)
		}
	}
}

// next returns the changes that are missing, unless they are so few that it makes
// them itself and calls swap.
func (c *changes[T]) next(mu *sync.Mutex, redo func(T), swap func()) []T {
	mu.Lock()
	defer mu.Unlock()
	missed := c.list
	c.list = nil
	if len(missed) > fewChanges {
		return missed
	}
	for _, change := range missed {
		redo(change)
	}
	swap()
	c.noting = false
	return nil
}

// storedChange is a change of the groups, or of the ghosts.
type storedChange struct {
	key   grouping.Key
	group *Group // nil if it has ended
	ghost ghost
	of    storedTree
}

type storedTree uint8

const (
	ofGroups storedTree = iota
	newGhost
	noGhost
)

// mass is many groups that end at the same moment.
type mass struct {
	g        *Gateway
	now      int64
	explicit int      // of the index, when the mass began
	groups   []*Group // sorted by key
	lone     bool     // some of them have no twin only because no key is explicit
	holders  map[holdersName]struct{}

	stays  *btree.Map[grouping.Key, *Group]
	ghosts *btree.Map[grouping.Key, ghost]
	// changed are groups that have changed since the mass began.
	changed map[grouping.Key]bool
}

// holdersName identifies the holders of a family that groups of a mass have.
type holdersName struct {
	family string
	typ    metric.Type
}

// endMass ends the groups whose time has come, if they are a mass, but for those
// that change meanwhile. It reports whether it has: then it leaves the deadlines.
// The caller holds expiring.
func (g *Gateway) endMass(now int64) bool {
	m := &mass{g: g, now: now, holders: make(map[holdersName]struct{}), changed: make(map[grouping.Key]bool)}
	groups, ghosts := m.begin()
	if groups == nil {
		return false
	}
	m.sift(groups, ghosts)
	done := false
	g.index.storedChanges.follow(&g.mu, m.redo, func() { done = m.remove() })
	if !done {
		return false
	}
	m.claimRemains()
	m.uncount()
	for name := range m.holders {
		m.leave(name)
	}
	m.end()
	return true
}

// begin returns copies of the groups and the ghosts, and begins to note what
// happens to them. It returns nil if there is no mass.
func (m *mass) begin() (*btree.Map[grouping.Key, *Group], *btree.Map[grouping.Key, ghost]) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	x := m.g.index
	fewest := max(m.g.pace.fewest, x.groups.Len()/massPart)
	if last, ok := x.deadlines.GetAt(fewest - 1); !ok || last.at > m.now {
		return nil, nil
	}
	m.explicit, x.storedChanges.noting = x.explicit, true
	return x.groups.Copy(), x.ghosts.Copy()
}

// sift parts the groups of the mass from those that stay.
func (m *mass) sift(groups *btree.Map[grouping.Key, *Group], ghosts *btree.Map[grouping.Key, ghost]) {
	m.stays, m.groups = btree.NewMap[grouping.Key, *Group](treeDegree), make([]*Group, 0, groups.Len())
	seen := 0
	groups.Scan(func(key grouping.Key, group *Group) bool {
		if m.takes(group) {
			m.take(group)
		} else {
			m.stays.Load(key, group)
		}
		seen++
		m.g.pace.after(seen)
		return len(m.holders) <= maxMassHolders
	})
	m.ghosts = ghosts
	if m.g.keepsRecords {
		m.haunt(ghosts)
	}
}

// takes reports whether a group ends with the mass. A group that may have a twin
// does not, since the times of one depend on the other.
func (m *mass) takes(group *Group) bool {
	d, mortal := deadlineOf(group)
	if !mortal || d.at > m.now || group.failedOnly() {
		return false
	}
	instance, explicit := group.Key.Value(metric.InstanceLabel)
	return instance != "" || !explicit && m.explicit == 0
}

func (m *mass) take(group *Group) {
	m.groups = append(m.groups, group)
	if instance, _ := group.Key.Value(metric.InstanceLabel); instance == "" {
		m.lone = true
	}
	for i := range group.Families {
		if h := withSeries(&group.Families[i]); h != nil {
			m.holders[holdersName{h.Name, h.Type}] = struct{}{}
		}
	}
}

// haunt makes the ghosts that there are once the groups have ended.
func (m *mass) haunt(before *btree.Map[grouping.Key, ghost]) {
	m.ghosts = btree.NewMap[grouping.Key, ghost](treeDegree)
	rest := m.groups
	add := func(until func(*Group) bool) {
		for ; len(rest) > 0 && until(rest[0]); rest = rest[1:] {
			m.ghosts.Load(rest[0].Key, m.g.ghostOf(rest[0]))
		}
	}
	before.Scan(func(key grouping.Key, left ghost) bool {
		add(func(group *Group) bool { return group.Key < key })
		m.ghosts.Load(key, left)
		return true
	})
	add(func(*Group) bool { return true })
}

// redo makes a change to the groups that stay and the ghosts. A group that has
// changed is no longer part of the mass.
func (m *mass) redo(c storedChange) {
	switch {
	case c.of == newGhost:
		m.ghosts.Set(c.key, c.ghost)
	case c.of == noGhost:
		m.ghosts.Delete(c.key)
	default:
		m.except(c.key)
		if c.group == nil {
			m.stays.Delete(c.key)
		} else {
			m.stays.Set(c.key, c.group)
		}
	}
}

// except takes a group out of the mass.
func (m *mass) except(key grouping.Key) {
	if _, is := m.find(key); is && !m.changed[key] {
		m.changed[key] = true
		m.ghosts.Delete(key)
	}
}

// find returns the group of a key that the mass began with.
func (m *mass) find(key grouping.Key) (*Group, bool) {
	i, is := slices.BinarySearchFunc(m.groups, key, func(g *Group, key grouping.Key) int { return cmp.Compare(g.Key, key) })
	if !is {
		return nil, false
	}
	return m.groups[i], true
}

// remove removes the groups, unless the mass cannot end as one: some may have twins
// now, or share series with others. What is left of them belongs to the mass from
// then on. The caller holds mu.
func (m *mass) remove() bool {
	x := m.g.index
	if m.lone && x.explicit > 0 || len(m.holders) > maxMassHolders {
		return false
	}
	for name := range m.holders {
		if f := x.families[name.family]; f != nil && len(f.equal)+len(f.leftOut) > 0 {
			return false
		}
	}
	for key := range x.pending { // these count for what they add to their groups
		if group, is := m.find(key); is && !m.changed[key] {
			m.except(key)
			m.stays.Set(key, group)
		}
	}
	x.groups, x.ghosts, x.mass = m.stays, m.ghosts, m
	return true
}

// claimRemains leaves those out that have changed.
func (m *mass) claimRemains() {
	if len(m.changed) == 0 {
		return
	}
	groups := make([]*Group, 0, len(m.groups))
	for _, group := range m.groups {
		if !m.changed[group.Key] {
			groups = append(groups, group)
		}
	}
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	m.groups = groups
}

// uncount takes the groups out of all numbers.
func (m *mass) uncount() {
	for rest := m.groups; len(rest) > 0; m.g.pace.rest() {
		rest = rest[m.uncountSome(rest):]
	}
}

// uncountSome is uncount for the first of some groups. It returns how many.
func (m *mass) uncountSome(groups []*Group) (n int) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	for work := 0; n < len(groups) && work < m.g.pace.turn; n++ {
		m.g.index.uncount(groups[n])
		work += workOf(groups[n])
	}
	m.g.expired.Add(uint64(n))
	return n
}

// uncount takes a group out of all numbers that is not in groups any more.
func (x *index) uncount(group *Group) {
	x.count(group, -1)
	x.countTime(group, -1)
	x.moveUses(group, nil)
	for i := range group.Families {
		if h := withSeries(&group.Families[i]); h != nil {
			x.families[h.Name].shapes.add(group.shape, -1)
			x.discard(h.entry, nil)
		}
	}
	if d, ends := endingOf(group); ends {
		again, _ := x.groups.Get(group.Key)
		if is, _ := endingOf(again); is != d {
			x.endings.Delete(d)
		}
	}
}

// leave takes what is left of the groups out of the holders of a family.
func (m *mass) leave(name holdersName) {
	f, h, blocks, claims := m.holdersOf(name)
	if h == nil {
		return
	}
	d := departure{mass: m, name: name.family, before: blocks, replaced: make(map[grouping.Key]bool)}
	d.sift(claims)
	h.changes.follow(&m.g.mu, d.redo, func() { d.remove(f, h, name.typ) })
	m.g.pace.rest()
}

// holdersOf returns the holders of a family with copies of their trees, and begins
// to note what happens to them. It returns nil if what was left of the groups there
// has gone already.
func (m *mass) holdersOf(name holdersName) (*indexed, *holders, *btree.Map[grouping.Key, *exposition.Block], *btree.BTreeG[claim]) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	f := m.g.index.families[name.family]
	if f == nil {
		return nil, nil, nil, nil
	}
	h := f.byType[name.typ]
	if h == nil {
		m.g.settle([]*indexed{f})
		return nil, nil, nil, nil
	}
	h.changes.noting = true
	return f, h, h.blocks.Copy(), h.claims.Copy()
}

// departure is what is left of the groups of a mass in the holders of a family.
type departure struct {
	*mass
	name   string
	before *btree.Map[grouping.Key, *exposition.Block]
	blocks *btree.Map[grouping.Key, *exposition.Block] // those that stay
	claims *btree.BTreeG[claim]                        // likewise
	gone   sizes                                       // of the other blocks
	// replaced are keys whose block is not what it was before.
	replaced map[grouping.Key]bool
}

// sift parts what stays from what goes.
func (d *departure) sift(claims *btree.BTreeG[claim]) {
	stays := newHolders()
	d.blocks, d.claims = stays.blocks, stays.claims
	gone := make([]claim, 0, min(len(d.groups), d.before.Len())) // to grow it would take as long as all else
	groups, seen := d.groups, 0
	d.before.Scan(func(key grouping.Key, b *exposition.Block) bool {
		groups = groups[before(groups, key):]
		if len(groups) == 0 || groups[0].Key != key {
			d.blocks.Load(key, b)
		} else if h := groups[0].findSeries(d.name); h != nil && h.Block == b {
			d.gone.count(b, +1)
			gone = append(gone, h.claim(key))
		} else {
			d.blocks.Load(key, b) // of a new group with that key
		}
		seen++
		d.g.pace.after(seen)
		return true
	})
	if len(gone) == claims.Len() {
		return
	}
	slices.SortFunc(gone, compareClaims)
	claims.Scan(func(c claim) bool {
		for len(gone) > 0 && gone[0].less(c) {
			gone = gone[1:]
		}
		if len(gone) == 0 || gone[0] != c {
			d.claims.Load(c)
		}
		seen++
		d.g.pace.after(seen)
		return true
	})
}

// before returns how many of some groups have keys before a key. It is quick if
// these are few.
func before(groups []*Group, key grouping.Key) int {
	step := 1
	for step <= len(groups) && groups[step-1].Key < key {
		step *= 2
	}
	low, high := step/2, min(step, len(groups))
	n, _ := slices.BinarySearchFunc(groups[low:high], key, func(g *Group, key grouping.Key) int { return cmp.Compare(g.Key, key) })
	return low + n
}

// redo makes a change to what stays.
func (d *departure) redo(c heldChange) {
	switch {
	case c.claims > 0:
		d.claims.Set(c.claim)
	case c.claims < 0:
		d.claims.Delete(c.claim)
	default:
		d.redoBlock(c)
	}
}

// redoBlock makes a change to the blocks that stay. What replaces a block that is
// to go has taken it out of the sizes already.
func (d *departure) redoBlock(c heldChange) {
	if was, had := d.before.Get(c.key); had && !d.replaced[c.key] && d.goes(c.key, was) {
		d.gone.count(was, -1)
	}
	d.replaced[c.key] = true
	if c.block == nil {
		d.blocks.Delete(c.key)
	} else {
		d.blocks.Set(c.key, c.block)
	}
}

func (d *departure) goes(key grouping.Key, b *exposition.Block) bool {
	group, is := d.find(key)
	if !is {
		return false
	}
	h := group.findSeries(d.name)
	return h != nil && h.Block == b
}

// remove puts what stays in the place of all that there was. It does nothing if the
// family has other holders now: nothing was left then. The caller holds mu.
func (d *departure) remove(f *indexed, h *holders, t metric.Type) {
	x := d.g.index
	if x.families[f.name] != f || f.byType[t] != h {
		return
	}
	h.blocks, h.claims = d.blocks, d.claims
	h.sizes.subtract(d.gone)
	if h.len() == 0 {
		f.byType[t] = nil
	}
	x.touch(f)
	d.g.settle([]*indexed{f})
}

// clear takes away what is left of a group of the mass, since there is another one
// with its key now. The caller holds mu.
func (m *mass) clear(key grouping.Key, changed []*indexed) []*indexed {
	group, is := m.find(key)
	if !is {
		return changed
	}
	for i := range group.Families {
		h := withSeries(&group.Families[i])
		if h == nil {
			continue
		}
		f := m.g.index.families[h.Name]
		if f == nil || f.byType[h.Type] == nil {
			continue
		}
		f.drop(key, h)
		if m.g.index.touch(f); !f.changed {
			f.changed = true
			changed = append(changed, f)
		}
	}
	return changed
}

// end ends the mass: nothing is left of its groups.
func (m *mass) end() {
	m.g.mu.Lock()
	m.g.index.mass = nil
	m.g.mu.Unlock()
}

// awaitMass waits until nothing is left of the groups of a mass.
func (g *Gateway) awaitMass() {
	g.expiring.Lock()
	defer g.expiring.Unlock()
}
