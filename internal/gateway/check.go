package gateway

import (
	"fmt"
	"math"

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
type TwinError struct{ Twin grouping.Key }

func (e *TwinError) Error() string {
	return fmt.Sprintf("the group %s exists and would expose the same series, since the gateway adds instance=\"\" to groups without an instance; push to that group, or delete it first", e.Twin.Excerpt())
}

// check returns an error if older claims of others keep group from being
// exposed with the blocks that a push brings. It changes nothing.
func (x *index) check(group, old *Group, brings []*exposition.Block) error {
	if twin, ok := x.twin(group, old); ok {
		return &TwinError{twin}
	}
	var refused exposition.Refused
	for _, b := range brings {
		err := x.checkType(b, group.Key)
		if err == nil {
			err = x.checkSuffixes(b, group)
		}
		if err != nil {
			refused.Add(err)
		}
	}
	return refused.Err()
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
// claim, and older than the claim that a check asks for.

// standing is the oldest claim of others to a name.
type standing struct {
	claim
	ok bool // there is such a claim
}

// asked is the claim that a check asks for. provisional is the claim of a
// pending change. Both are younger than every stored claim.
var (
	asked       = claim{math.MaxUint64, "\xff"}
	provisional = claim{math.MaxUint64, ""}
)

// oldestOf returns the oldest claim to f with type t, stored or pending, of a
// group other than key.
func (x *index) oldestOf(f *indexed, t metric.Type, key grouping.Key) (s standing) {
	if h := f.byType[t]; h != nil {
		h.claims.Scan(func(c claim) bool {
			if c.key != key {
				s = standing{c, true}
			}
			return !s.ok
		})
	}
	if !s.ok && int(f.pending[t]) > x.pendingOf(f.name, t, key) {
		s = standing{provisional, true}
	}
	return s
}

// pendingOf returns how many pending changes of group key claim a name with
// type t.
func (x *index) pendingOf(name string, t metric.Type, key grouping.Key) (n int) {
	for p := x.pending[key]; p != nil; p = p.next {
		for _, b := range p.brings {
			if b.Name == name && b.Type == t {
				n++
			}
		}
	}
	return n
}

// mine returns the claim that a push of b has. This is the oldest claim to the
// name with the same type, because all groups of one type are exposed or left
// out together.
func (x *index) mine(b *exposition.Block) claim {
	f := x.families[b.Name]
	if f == nil || f.byType[b.Type].len() == 0 {
		return asked
	}
	return f.byType[b.Type].oldest()
}

// checkType returns an error if an older claim has the name with another type.
func (x *index) checkType(b *exposition.Block, key grouping.Key) error {
	f := x.families[b.Name]
	if f == nil {
		return nil
	}
	if f.reserved != nil {
		if *f.reserved == b.Type {
			return nil
		}
		return conflict(b.Name, "the gateway itself has a family of that name with type %s, but its type in this push is %s; push it under another name", *f.reserved, b.Type)
	}
	mine := x.mine(b)
	for t := range f.byType {
		t := metric.Type(t)
		if theirs := x.oldestOf(f, t, key); t != b.Type && theirs.ok && theirs.less(mine) {
			return conflict(b.Name, "its type is %s in %s, but %s in this push; use one type everywhere, or another name", t, x.holderOf(f, t, key), b.Type)
		}
	}
	return nil
}

// taken reports whether the gateway itself, or a group other than key, exposes
// f with a type for which collides is true, and with an older claim than mine.
// It returns that type.
func (x *index) taken(f *indexed, name string, mine claim, key grouping.Key, collides func(metric.Type) bool) (t metric.Type, taken bool) {
	if f == nil {
		return 0, false
	}
	if f.reserved != nil {
		return *f.reserved, collides(*f.reserved)
	}
	var oldest standing
	for u := range f.byType {
		u := metric.Type(u)
		theirs := x.oldestOf(f, u, key)
		if theirs.ok && (!oldest.ok || theirs.less(oldest.claim) || theirs.claim == oldest.claim && collides(u)) {
			t, oldest = u, theirs
		}
	}
	older := oldest.revision < mine.revision || oldest.revision == mine.revision && (mine == asked || f.name < name)
	leftOut := f.hidden && oldest.claim != provisional // then it collides with nothing
	return t, oldest.ok && collides(t) && older && !leftOut
}

func anyType(metric.Type) bool { return true }

// checkSuffixes refuses names that collide with the lines of a summary or
// histogram, in both directions.
func (x *index) checkSuffixes(b *exposition.Block, group *Group) error {
	mine := x.mine(b)
	for _, suffix := range b.Type.Suffixes() {
		name := b.Name + suffix
		if group.findSeries(name) != nil {
			return conflict(b.Name, "as a %s it exposes lines named %q, which is another family of the same group; rename one of them", b.Type, name)
		}
		if t, taken := x.taken(x.families[name], b.Name, mine, group.Key, anyType); taken {
			return conflict(b.Name, "as a %s it exposes lines named %q, which is a family of %s; rename one of them", b.Type, excerpt.Of(name), x.holderOf(x.families[name], t, group.Key))
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
	if t, taken := x.taken(x.families[base], b.Name, mine, group.Key, exposes); taken {
		return conflict(b.Name, "the %s %q of %s exposes lines of that name; rename one of them", t, excerpt.Of(base), x.holderOf(x.families[base], t, group.Key))
	}
	return nil
}

// hasSuffixes reports whether a type has lines with the suffixes of a count or
// a sum, or if bucket is set, of a bucket. Summaries have no buckets.
func hasSuffixes(t metric.Type, summaryToo bool) bool {
	return t.IsHistogram() || t == metric.Summary && summaryToo
}

// holderOf describes a group other than key that has f with type t, for error
// messages.
func (x *index) holderOf(f *indexed, t metric.Type, key grouping.Key) string {
	if f.reserved != nil && *f.reserved == t {
		return "the gateway itself"
	}
	found := ""
	if h := f.byType[t]; h != nil {
		h.claims.Scan(func(c claim) bool {
			if c.key != key {
				found = "group " + c.key.Excerpt()
				return false
			}
			return true
		})
	}
	if found == "" {
		found = x.pendingHolder(f.name, t, key)
	}
	return found
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
// changes see them. Its series are compared with others from enter on.
func (x *index) place(p *pending) {
	p.shape, p.indexes = x.shapes.use(p.key), make([]*seriesIndex, len(p.brings))
	for i, b := range p.brings {
		f := x.family(b.Name)
		f.pending[b.Type]++
		p.indexes[i] = f.shapes.add(p.shape, +1)
	}
	p.next = x.pending[p.key]
	x.pending[p.key] = p
}

// enter gives a change its place among the pending ones, once its series are in
// the indexes, and returns what it must be compared with, usually nothing. Of
// two changes, the one that enters later finds the other.
func (x *index) enter(p *pending) (found []rivals) {
	x.claims++
	p.claim = x.claims
	for _, b := range p.fresh {
		if b.Series() == 0 {
			continue
		}
		if r, ok := x.families[b.Name].shapes.rivals(b, p.shape); ok {
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
	if p.fate = f; p.shape != nil {
		x.displace(p)
	}
}

// displace removes the provisional claims of a change.
func (x *index) displace(p *pending) {
	x.unlist(p)
	stored, _ := x.groups.Get(p.key)
	for _, b := range p.brings {
		f := x.families[b.Name]
		f.pending[b.Type]--
		f.shapes.add(p.shape, -1)
		f.endLonely()
		x.discard(p.group.Find(b.Name).entry, stored.entryOf(b.Name))
		x.forget(f)
	}
	x.unreserve(p)
	x.shapes.release(p.shape)
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
