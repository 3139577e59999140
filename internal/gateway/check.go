package gateway

import (
	"fmt"

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

// check returns why group, with the blocks of a push, cannot be exposed beside
// the others. It changes nothing.
func (x *index) check(group, old *Group, brings []*exposition.Block) error {
	if twin, ok := x.twin(group.Key); ok {
		return &TwinError{twin}
	}
	var refused exposition.Refused
	for _, b := range brings {
		err := x.checkType(b, old)
		if err == nil {
			err = x.checkSuffixes(b, group, old)
		}
		if err != nil {
			refused.Add(err)
		}
	}
	return refused.Err()
}

// twin returns the stored or pending group that key cannot coexist with. A
// group without a successful push claims nothing.
func (x *index) twin(key grouping.Key) (twin grouping.Key, exists bool) {
	twin, ok := twinOf(key)
	if !ok {
		return "", false
	}
	if g, ok := x.groups.Get(twin); ok && !g.failedOnly() {
		return twin, true
	}
	_, ok = x.pending[twin]
	return twin, ok
}

// checkType refuses a type that differs from that of other groups.
func (x *index) checkType(b *exposition.Block, old *Group) error {
	f := x.families[b.Name]
	if f == nil {
		return nil
	}
	if f.reserved != nil && *f.reserved != b.Type {
		return conflict(b.Name, "the gateway itself has a family of that name with type %s, but its type in this push is %s; push it under another name", *f.reserved, b.Type)
	}
	for t := range f.byType {
		if t := metric.Type(t); t != b.Type && f.othersHold(t, old) {
			return conflict(b.Name, "its type is %s in %s, but %s in this push; use one type everywhere, or another name", t, x.holderOf(f, t, old), b.Type)
		}
	}
	return nil
}

// othersHold reports whether a group other than old has the name with type t,
// stored or pending.
func (f *indexed) othersHold(t metric.Type, old *Group) bool {
	n := f.byType[t].len() + int(f.pending[t])
	if n == 0 {
		return false
	}
	if h := old.findSeries(f.name); h != nil && h.Type == t {
		n--
	}
	return n > 0
}

// isTaken reports whether the gateway itself or a group other than old has the
// name with a type that ok accepts.
func (f *indexed) isTaken(old *Group, ok func(metric.Type) bool) (metric.Type, bool) {
	if f == nil {
		return 0, false
	}
	if f.reserved != nil && ok(*f.reserved) {
		return *f.reserved, true
	}
	for t := range f.byType {
		if t := metric.Type(t); ok(t) && f.othersHold(t, old) {
			return t, true
		}
	}
	return 0, false
}

func anyType(metric.Type) bool { return true }

// checkSuffixes refuses names that collide with the lines of a summary or
// histogram, in both directions.
func (x *index) checkSuffixes(b *exposition.Block, group, old *Group) error {
	for _, suffix := range b.Type.Suffixes() {
		name := b.Name + suffix
		if group.findSeries(name) != nil {
			return conflict(b.Name, "as a %s it exposes lines named %q, which is another family of the same group; rename one of them", b.Type, name)
		}
		if t, taken := x.families[name].isTaken(old, anyType); taken {
			return conflict(b.Name, "as a %s it exposes lines named %q, which is a family of %s; rename one of them", b.Type, excerpt.Of(name), x.holderOf(x.families[name], t, old))
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
	if t, taken := x.families[base].isTaken(old, exposes); taken {
		return conflict(b.Name, "the %s %q of %s exposes lines of that name; rename one of them", t, excerpt.Of(base), x.holderOf(x.families[base], t, old))
	}
	return nil
}

// hasSuffixes reports whether a type has lines with the suffixes of a count or
// a sum, or if bucket is set, of a bucket. Summaries have no buckets.
func hasSuffixes(t metric.Type, summaryToo bool) bool {
	return t.IsHistogram() || t == metric.Summary && summaryToo
}

// holderOf names a group that has f with type t, for messages.
func (x *index) holderOf(f *indexed, t metric.Type, old *Group) string {
	if f.reserved != nil && *f.reserved == t {
		return "the gateway itself"
	}
	found := ""
	if h := f.byType[t]; h != nil {
		h.claims.Scan(func(c claim) bool {
			if old == nil || c.key != old.Key {
				found = "group " + c.key.Excerpt()
				return false
			}
			return true
		})
	}
	if found == "" {
		found = x.pendingHolder(f.name, t)
	}
	return found
}

// pendingHolder searches some of the pending changes. There may be thousands,
// and as many searches.
func (x *index) pendingHolder(name string, t metric.Type) string {
	const some = 100
	seen := 0
	for key, p := range x.pending {
		if h := p.group.findSeries(name); h != nil && h.Type == t {
			return "group " + key.Excerpt()
		}
		if seen++; seen == some {
			break
		}
	}
	return "a group whose push is in progress"
}

// place makes provisional claims for a change on its way to the journal, so
// that other checks see them. Its series count from enter on.
func (x *index) place(group *Group, brings []*exposition.Block) *pending {
	p := &pending{group: group, brings: brings, fresh: brings, shape: x.shapes.use(group.Key), indexes: make([]*seriesIndex, len(brings))}
	for i, b := range brings {
		f := x.family(b.Name)
		b.Name = f.name // a single copy of each name is enough
		f.pending[b.Type]++
		p.indexes[i] = f.shapes.add(p.shape, +1)
	}
	x.pending[group.Key] = p
	return p
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

// withdraw takes back provisional claims when a change is applied or given up.
// The caller forgets names that nobody has any more.
func (x *index) withdraw(key grouping.Key) *pending {
	p := x.pending[key]
	if p == nil {
		return nil
	}
	delete(x.pending, key)
	stored, _ := x.groups.Get(key)
	for _, b := range p.brings {
		f := x.families[b.Name]
		f.pending[b.Type]--
		f.shapes.add(p.shape, -1)
		f.endLonely()
		x.discard(p.group.Find(b.Name).entry, stored.entryOf(b.Name))
	}
	x.shapes.release(p.shape)
	return p
}
