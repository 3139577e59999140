package gateway

import (
	"fmt"
	"slices"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// ConflictError means that a push cannot be exposed together with what is
// stored or being stored.
type ConflictError struct {
	Family string
	Msg    string
}

func (e *ConflictError) Error() string { return fmt.Sprintf("family %q: %s", e.Family, e.Msg) }

// About makes ConflictError an exposition.FamilyError.
func (e *ConflictError) About() (family, reason string) { return e.Family, e.Msg }

func conflict(family, format string, args ...any) error {
	return &ConflictError{Family: excerpt.Of(family), Msg: fmt.Sprintf(format, args...)}
}

// TwinError means that a group would expose the same push times as another one.
type TwinError struct {
	Twin grouping.Key
	age  string // of the twin, as a remark
}

func (e *TwinError) Error() string {
	return fmt.Sprintf("the group %s exists and would expose the same series, since the gateway adds instance=\"\" to groups without an instance; push to that group, or delete it first%s", e.Twin.Excerpt(), e.age)
}

// admit returns an error if older claims of others keep group from being
// exposed with the blocks that a push brings, unless these groups give up the
// names. It changes nothing. taken has, for each block that takes its name, one
// of the groups that give it up; it is nil if there are none.
func (c *check) admit(group, old *Group, brings []*exposition.Block) (taken []grouping.Key, err error) {
	if twin, ok := c.twin(group, old); ok {
		return nil, &TwinError{twin, c.remark(twin)}
	}
	var refused exposition.Refused
	for i, b := range brings {
		err := c.checkType(b, group.Key)
		if err == nil {
			err = c.checkSuffixes(b, group)
		}
		if c.longAgo > 0 {
			if from := c.overruled(b, old, group.Key); from != "" {
				taken = setAt(taken, len(brings), i, from)
			}
		}
		if err == nil && c.exhausted() {
			err = conflict(b.Name, "it contradicts more groups that nobody has pushed to for long than a push can take names from; delete those that are gone")
		}
		if err != nil {
			refused.Add(err)
		}
	}
	return taken, refused.Err()
}

// twin returns the group, stored or pending, whose push times conflict with
// those of group. A twin without a good push does not conflict, and neither
// does a younger one.
func (x *index) twin(group, old *Group) (twin grouping.Key, exists bool) {
	twin, ok := twinOf(group.Key)
	if !ok {
		return "", false
	}
	stands := old != nil && !old.failedOnly()
	if g, ok := x.groups.Get(twin); ok && !g.failedOnly() {
		return twin, !stands || g.precedes(old)
	}
	_, ok = x.pending[twin]
	return twin, ok && !stands
}

// If two groups cannot both be exposed, the group with the younger claim is
// left out. A push is refused only if an older claim would leave out what it
// brings. So if two such groups are stored despite the check, pushes to the
// exposed one still succeed. A pending claim is younger than every stored
// claim, and older than the claim that a check asks for. The change that brings it
// may give up stored claims of its group. So beside a pending claim, a push must be
// exposed with them and without them.

// standing is the oldest claim of others to a name.
type standing struct {
	claim
	ok bool // there is such a claim
}

// oldestOf returns the oldest claim to f with type t, stored or pending, of a
// group other than key that does not give up its names. With lasting, those that
// changes in progress give up do not count.
func (c *check) oldestOf(f *indexed, t metric.Type, key grouping.Key, lasting bool) (s standing) {
	if f.taking != nil && int(f.taking[t]) > c.pendingOf(f.name, t, key, true) {
		return standing{taking, true}
	}
	f.byType[t].eachOther(key, func(theirs claim) bool {
		if !c.yields(theirs.key) && !(lasting && c.isGivingUp(theirs.key, f.name, t)) {
			s = standing{theirs, true}
		}
		return !s.ok
	})
	if !s.ok && int(f.pending[t]) > c.pendingOf(f.name, t, key, false) {
		s = standing{provisional, true}
	}
	return s
}

// isGivingUp reports whether a change in progress leaves a group without a name that
// it has with type t.
func (x *index) isGivingUp(key grouping.Key, name string, t metric.Type) bool {
	for p := x.pending[key]; p != nil; p = p.next {
		if h := p.group.findSeries(name); h == nil || h.Type != t {
			return true
		}
	}
	return false
}

// eachOther calls do for the claims of groups other than key, from the oldest
// on, until do returns false. h may be nil.
func (h *holders) eachOther(key grouping.Key, do func(claim) bool) {
	if h == nil {
		return
	}
	h.claims.Scan(func(c claim) bool { return c.key == key || do(c) })
}

// pendingOf returns how many pending changes of group key claim a name with
// type t, or only those that take it from others.
func (x *index) pendingOf(name string, t metric.Type, key grouping.Key, taking bool) (n int) {
	for p := x.pending[key]; p != nil; p = p.next {
		for i, b := range p.brings {
			if b.Name == name && b.Type == t && (!taking || p.takesAt(i)) {
				n++
			}
		}
		for _, b := range p.keeps {
			if b.Name == name && b.Type == t && !taking {
				n++
			}
		}
	}
	return n
}

// mine returns the claim that a push of b has. This is the oldest claim to the
// name with the same type, because all groups of one type are exposed or left
// out together. With lasting, those that changes in progress give up do not count.
func (x *index) mine(b *exposition.Block, lasting bool) (mine claim) {
	f := x.families[b.Name]
	if f == nil || f.byType[b.Type].len() == 0 {
		return asked
	}
	if !lasting {
		return f.byType[b.Type].oldest()
	}
	mine = asked
	f.byType[b.Type].claims.Scan(func(c claim) bool {
		if !x.isGivingUp(c.key, b.Name, b.Type) {
			mine = c
		}
		return mine == asked
	})
	return mine
}

// checkType returns an error if an older claim has the name with another type.
func (c *check) checkType(b *exposition.Block, key grouping.Key) error {
	f := c.families[b.Name]
	if f == nil {
		return nil
	}
	if f.reserved != nil {
		if *f.reserved == b.Type {
			return nil
		}
		return conflict(b.Name, "the gateway itself has a family of that name with type %s, but its type in this push is %s; push it under another name", *f.reserved, b.Type)
	}
	for t := range f.byType {
		t := metric.Type(t)
		if t == b.Type {
			continue
		}
		theirs := c.oldestOf(f, t, key, false)
		if theirs.ok && theirs.less(c.mine(b, theirs.isPending())) {
			holder, remark := c.holderOf(obstacle{f, t, false}, key)
			return conflict(b.Name, "its type is %s in %s, but %s in this push; use one type everywhere, or another name%s", t, holder, b.Type, remark)
		}
	}
	return nil
}

// obstacle is a name that others have with a type that keeps a push from being
// exposed, now or once changes in progress are stored.
type obstacle struct {
	*indexed
	t       metric.Type
	lasting bool // claims that changes in progress give up do not count
}

// taken reports whether the gateway itself, or a group other than key, exposes
// f with a type for which collides is true, and with an older claim than that of a
// push of b, or will once changes in progress are stored.
func (c *check) taken(f *indexed, b *exposition.Block, key grouping.Key, collides func(metric.Type) bool) (o obstacle, taken bool) {
	if f == nil {
		return obstacle{}, false
	}
	if f.reserved != nil {
		return obstacle{f, *f.reserved, false}, collides(*f.reserved)
	}
	if t, taken := c.takenBeside(f, b, key, collides, false); taken || !f.hasPending(collides) {
		return obstacle{f, t, false}, taken
	}
	t, taken := c.takenBeside(f, b, key, collides, true)
	return obstacle{f, t, true}, taken
}

// takenBeside is taken with the claims that there are now, or with those that last.
func (c *check) takenBeside(f *indexed, b *exposition.Block, key grouping.Key, collides func(metric.Type) bool, lasting bool) (t metric.Type, taken bool) {
	var oldest standing
	for u := range f.byType {
		u := metric.Type(u)
		theirs := c.oldestOf(f, u, key, lasting)
		if theirs.ok && (!oldest.ok || theirs.less(oldest.claim) || theirs.claim == oldest.claim && collides(u)) {
			t, oldest = u, theirs
		}
	}
	mine := c.mine(b, lasting)
	order := oldest.compare(mine)
	older := order < 0 || order == 0 && (mine == asked || f.name < b.Name)
	leftOut := f.hidden && !oldest.isPending() // then it collides with nothing
	return t, oldest.ok && collides(t) && older && !leftOut
}

// hasPending reports whether a change in progress has the name with such a type.
func (f *indexed) hasPending(such func(metric.Type) bool) bool {
	for t, n := range f.pending {
		if n > 0 && such(metric.Type(t)) {
			return true
		}
	}
	return false
}

func anyType(metric.Type) bool { return true }

// checkSuffixes refuses names that collide with the lines of a summary or
// histogram, in both directions.
func (c *check) checkSuffixes(b *exposition.Block, group *Group) error {
	for _, suffix := range b.Type.Suffixes() {
		name := b.Name + suffix
		if group.findSeries(name) != nil {
			return conflict(b.Name, "as a %s it exposes lines named %q, which is another family of the same group; rename one of them", b.Type, name)
		}
		if theirs, taken := c.taken(c.families[name], b, group.Key, anyType); taken {
			holder, remark := c.holderOf(theirs, group.Key)
			return conflict(b.Name, "as a %s it exposes lines named %q, which is a family of %s; rename one of them%s", b.Type, excerpt.Of(name), holder, remark)
		}
	}
	base, summaryToo := metric.SuffixBase(b.Name)
	if base == "" {
		return nil
	}
	if h := group.findSeries(base); h != nil && hasSuffixes(h.Type, summaryToo) {
		return conflict(b.Name, "the %s %q of the same group exposes lines of that name; rename one of them", h.Type, base)
	}
	exposes := func(t metric.Type) bool { return hasSuffixes(t, summaryToo) }
	if theirs, taken := c.taken(c.families[base], b, group.Key, exposes); taken {
		holder, remark := c.holderOf(theirs, group.Key)
		return conflict(b.Name, "the %s %q of %s exposes lines of that name; rename one of them%s", theirs.t, excerpt.Of(base), holder, remark)
	}
	return nil
}

// hasSuffixes reports whether a type has lines with the suffixes of a count or
// a sum, or if bucket is set, of a bucket. Summaries have no buckets.
func hasSuffixes(t metric.Type, summaryToo bool) bool {
	return t.IsHistogram() || t == metric.Summary && summaryToo
}

// holderOf describes the group that oldestOf finds, for error messages: its
// key, and a remark about its age.
func (c *check) holderOf(o obstacle, key grouping.Key) (holder, remark string) {
	if o.reserved != nil && *o.reserved == o.t {
		return "the gateway itself", ""
	}
	oldest := c.oldestOf(o.indexed, o.t, key, o.lasting)
	if oldest.isPending() {
		return c.pendingHolder(o.name, o.t, key), ""
	}
	return "group " + oldest.key.Excerpt(), c.remark(oldest.key)
}

// pendingHolder searches a limited number of pending changes, since there may
// be thousands of changes and of searches.
func (x *index) pendingHolder(name string, t metric.Type, but grouping.Key) string {
	const some = 100
	seen := 0
	for key, p := range x.pending {
		for ; p != nil && key != but; p = p.next {
			if h := p.group.findSeries(name); h != nil && h.Type == t {
				return "group " + key.Excerpt()
			}
		}
		if seen++; seen == some {
			break
		}
	}
	return "a group whose push is in progress"
}

// place adds the provisional claims of a change, so that checks of other
// changes see them. Its series are compared with others from enter on. old is the
// state of the group before, or nil.
func (x *index) place(p *pending, old *Group) {
	p.shape, p.indexes = x.shapes.useOf(p.key, old), make([]*seriesIndex, len(p.brings))
	for i, b := range p.brings {
		f := x.family(b.Name)
		f.pending[b.Type]++
		p.indexes[i] = f.shapes.add(p.shape, +1)
	}
	for i, key := range p.takes {
		if key != "" {
			x.countTaking(p.brings[i], +1)
		}
	}
	p.next = x.pending[p.key]
	x.pending[p.key] = p
}

// isIndexed reports whether indexes must contain series of the change before it
// gets its place among the pending ones.
func (p *pending) isIndexed() bool {
	return slices.ContainsFunc(p.indexes, func(x *seriesIndex) bool { return x != nil })
}

// enter gives a change its place among the pending ones, once its series are in
// the indexes, and returns what it must be compared with, usually nothing. Of
// two changes, the one that enters later finds the other. With checked, what is
// left out must be compared as a whole: it stays left out unless nothing of it
// contradicts others any more.
func (x *index) enter(p *pending, checked bool) (found []rivals) {
	x.claims++
	p.claim = x.claims
	for i, b := range p.fresh {
		if b.Series() == 0 {
			continue
		}
		f := x.families[b.Name]
		if checked && f.isLeftOut(p.key) {
			b = p.brings[i]
		}
		if r, ok := f.shapes.rivals(b, p.shape); ok {
			found = append(found, r)
		}
	}
	return found
}

// finish records the outcome of a change, which may be nil. Only the first
// outcome counts. It removes the provisional claims of the change and the names
// that are no longer used. If the outcome was unknown until now, the group may
// change again.
func (x *index) finish(p *pending, f fate) {
	if p == nil || p.fate > unknown {
		return
	}
	if p.fate == unknown {
		delete(x.unknown, p.key)
		x.freed = append(x.freed, p.key)
	}
	x.receipts.reserved -= p.receipts
	if p.receipts, p.fate = 0, f; p.shape != nil {
		x.displace(p)
	}
}

// displace removes the provisional claims of a change.
func (x *index) displace(p *pending) {
	x.unlist(p)
	stored, _ := x.groups.Get(p.key)
	for i, b := range p.brings {
		if p.takesAt(i) {
			x.countTaking(b, -1)
		}
		x.disclaim(p, b, stored)
	}
	for _, b := range p.keeps {
		x.disclaim(p, b, stored)
	}
	x.unreserve(p)
	x.shapes.release(p.shape)
}

// disclaim removes the provisional claim to a block of a change. stored is what its
// group has become, which may be nil.
func (x *index) disclaim(p *pending, b *exposition.Block, stored *Group) {
	f := x.families[b.Name]
	f.pending[b.Type]--
	f.shapes.add(p.shape, -1)
	f.endLonely()
	x.discard(p.group.Find(b.Name).entry, stored.entryOf(b.Name))
	x.forget(f)
}

func (x *index) unlist(p *pending) {
	first := x.pending[p.key]
	switch {
	case first == p && p.next == nil:
		delete(x.pending, p.key)
	case first == p:
		x.pending[p.key] = p.next
	default:
		for first.next != p {
			first = first.next
		}
		first.next = p.next
	}
}
