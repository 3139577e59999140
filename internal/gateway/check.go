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

// About makes it an exposition.FamilyError.
func (e *ConflictError) About() (family, reason string) { return e.Family, e.Msg }

func conflict(family, format string, args ...any) error {
	return &ConflictError{Family: excerpt.Of(family), Msg: fmt.Sprintf(format, args...)}
}

// TwinError means that a group would expose the same times as another one.
type TwinError struct{ Twin grouping.Key }

func (e *TwinError) Error() string {
	return fmt.Sprintf("the group %s exists and would expose the same series, since the gateway adds instance=\"\" to groups without an instance; push to that group, or delete it first", e.Twin.Excerpt())
}

// check tells why group, with the blocks that a push brings, cannot be exposed
// beside the others, as older claims stand against it. It changes nothing.
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

// twin gives the group, stored or pending, that group cannot stand beside. One
// without a good push claims nothing, and a younger one refuses nobody.
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

// Where two groups cannot both be exposed, the one with the younger claim is
// left out. A push is refused for the same reason, and for no other: what it
// brings would be left out because of an older claim. So of two groups that got
// stored past the check, the one that is exposed goes on as if there were no
// other. Claims on their way are younger than all that are stored, and older
// than one that is only asked for.

// standing is how old the claim to a name is, for who asks.
type standing struct {
	claim
	ok bool // somebody has it
}

// asked is the claim of who only asks for one, and provisional one on its way.
// These stand behind all that are stored.
var (
	asked       = claim{math.MaxUint64, "\xff"}
	provisional = claim{math.MaxUint64, ""}
)

// oldestOf is the claim of the oldest holder of f with type t who is not the
// group key, stored or pending.
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

// pendingOf is how many changes of one group are on their way with a claim to a
// name.
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

// mine is the claim with which a push has the name of b: that of the oldest
// holder with the same type, as the type is exposed or left out as one.
func (x *index) mine(b *exposition.Block) claim {
	f := x.families[b.Name]
	if f == nil || f.byType[b.Type].len() == 0 {
		return asked
	}
	return f.byType[b.Type].oldest()
}

// checkType refuses a type other than the one that older claims have.
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

// taken tells whether the gateway itself, or a group other than key, has the
// name f with an older claim than mine to the name, with a type that collides
// and as it is exposed.
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
	leftOut := f.hidden && oldest.claim != provisional // then it is in nobody's way
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

// holderOf names somebody other than the group key who has f with type t, for
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

// pendingHolder searches some of the pending changes. There may be thousands,
// and as many searches.
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

// place puts provisional claims for a change on its way, so that checks of others
// count them. Its series count from enter on.
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

// finish notes what has become of a change, which may be nil. The first word
// counts. Its provisional claims go, and with them names that nobody has. If it
// was unknown until now, its group may be changed again.
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

// displace takes provisional claims back.
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
