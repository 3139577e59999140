package gateway

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// A push that is allowed to can take names from groups that nobody has pushed to
// for long. What contradicts it in these groups stays stored, and is left out as
// the younger of two claims is: the new claim comes before theirs. Whether a
// group is old enough is decided once, by the member that checks the push.
// Everything after that follows from the claims in the records.

// check checks one push against others. The caller holds Gateway.mu.
type check struct {
	*index
	now     time.Time
	rule    *config.Rule          // of the group; may be nil
	longAgo time.Duration         // of the rule; 0: the push takes no names
	old     map[grouping.Key]bool // whether groups yield, of those looked up so far
	effort  int                   // of looking up groups
}

// A check looks up a limited number of groups that may give up their names,
// since pushes of others wait meanwhile. Each group costs lookUp once, and 1
// whenever it is met again. So mostGroups can give up a few names each.
const (
	mostGroups = 2000
	lookUp     = 10
	mostEffort = mostGroups * lookUp * 3 / 2
)

// check returns the check of a push, or nil if it needs none.
func (g *Gateway) check(p Push, now time.Time) *check {
	c := &check{index: g.index, now: now, rule: p.Rule}
	if p.Rule != nil {
		c.longAgo = time.Duration(p.Rule.LongAgo)
	}
	if g.config.Unchecked && c.longAgo == 0 {
		return nil
	}
	return c
}

// yields reports whether a group gives its names up to the push: nobody has
// pushed to it for long, nor is pushing to it now.
func (c *check) yields(key grouping.Key) bool {
	if c.longAgo == 0 || c.exhausted() {
		return false
	}
	c.effort++
	old, known := c.old[key]
	if !known {
		if c.old == nil {
			c.old = make(map[grouping.Key]bool)
		}
		old, c.effort = c.isOld(key), c.effort+lookUp-1
		c.old[key] = old
	}
	return old
}

// exhausted reports whether the check has looked up all that it may.
func (c *check) exhausted() bool { return c.effort >= mostEffort }

func (c *check) isOld(key grouping.Key) bool {
	group, _ := c.groups.Get(key)
	return group != nil && c.pending[key] == nil && c.now.Sub(group.Pushed) >= c.longAgo
}

// overruled returns a group with an older claim than that of key that keeps b
// from being exposed, or will once another group ends. It returns "" if there is
// none, or if not all of these groups give up their names.
func (c *check) overruled(b *exposition.Block, old *Group, key grouping.Key) (from grouping.Key) {
	mine, firm := claimFor(old.findSeries(b.Name), b, key), false
	for h := range c.contradicting(b) {
		h.eachOther(key, func(theirs claim) bool {
			if !theirs.less(mine) {
				return false
			}
			from, firm = cmp.Or(from, theirs.key), !c.yields(theirs.key)
			return !firm
		})
		if firm {
			return ""
		}
	}
	return from
}

// claimFor returns the claim that the group key has to b. mine is what it has of
// the family, or nil.
func claimFor(mine *Held, b *exposition.Block, key grouping.Key) claim {
	if mine == nil || mine.Type != b.Type {
		return asked
	}
	return mine.claim(key)
}

// contradicting yields the holders that cannot be exposed beside b because of
// their type or the name of their lines.
func (x *index) contradicting(b *exposition.Block) iter.Seq[*holders] {
	base, summaryToo := metric.SuffixBase(b.Name)
	return func(yield func(*holders) bool) {
		each := func(name string, contradicts func(metric.Type) bool) bool {
			f := x.families[name]
			for t := 0; f != nil && f.reserved == nil && t < typeCount; t++ {
				if h := f.byType[t]; h != nil && contradicts(metric.Type(t)) && !yield(h) {
					return false
				}
			}
			return true
		}
		if !each(b.Name, func(t metric.Type) bool { return t != b.Type }) {
			return
		}
		for _, suffix := range b.Type.Suffixes() {
			if !each(b.Name+suffix, anyType) {
				return
			}
		}
		each(base, func(t metric.Type) bool { return hasSuffixes(t, summaryToo) })
	}
}

// takeShared makes a change take its names from the groups that have some of its
// series. It returns one that has been pushed to meanwhile and refuses the
// change, or nil. c may be nil if there are no such groups.
func (c *check) takeShared(p *pending, overruled []suspect) (refusal *suspect) {
	for _, s := range overruled {
		if group, _ := c.groups.Get(s.key); group != nil && !c.isOld(s.key) {
			s.remark = c.remark(s.key)
			return &s
		}
		i := slices.IndexFunc(p.brings, func(b *exposition.Block) bool { return b.Name == s.name })
		if !p.takesAt(i) {
			p.takes = setAt(p.takes, len(p.brings), i, s.key)
			c.countTaking(p.brings[i], +1)
		}
	}
	return nil
}

// takesAt reports whether the change takes the name of brings[i].
func (p *pending) takesAt(i int) bool { return p.takes != nil && p.takes[i] != "" }

// setAt sets keys[i]. It makes n keys if there are none.
func setAt(keys []grouping.Key, n, i int, key grouping.Key) []grouping.Key {
	if keys == nil {
		keys = make([]grouping.Key, n)
	}
	keys[i] = key
	return keys
}

// countTaking adds n to the number of pending changes that take the name of b.
func (x *index) countTaking(b *exposition.Block, n int32) {
	f := x.families[b.Name]
	if f.taking == nil {
		f.taking = new([typeCount]int32)
	}
	f.taking[b.Type] += n
}

// settleTakes gives the group of an admitted change new claims to the names that
// it takes. Nobody else looks at its claims before they are applied.
func (p *pending) settleTakes() {
	for i, b := range p.brings {
		if p.takesAt(i) {
			h := p.group.Find(b.Name)
			h.Claim, h.Took = 0, true
		}
	}
}

// takenAnew returns takes for a change that is not this process's own. From
// which groups it takes the names is not known, so its own key stands for them.
func takenAnew(group, old *Group, brings []*exposition.Block) (takes []grouping.Key) {
	for i, b := range brings {
		is, was := group.Find(b.Name), old.Find(b.Name)
		if is.Took && (was == nil || was.claim("") != is.claim("")) {
			takes = setAt(takes, len(brings), i, group.Key)
		}
	}
	return takes
}

// Taken returns how many names pushes have taken from groups that nobody had
// pushed to for long, counted for each family of a push.
func (g *Gateway) Taken() uint64 { return g.taken.Load() }

// tellTaken counts and logs the names that a stored change has taken.
func (g *Gateway) tellTaken(p *pending) {
	names, first := 0, 0
	for i := range p.brings {
		if p.takesAt(i) {
			if names++; names == 1 {
				first = i
			}
		}
	}
	if names == 0 {
		return
	}
	g.taken.Add(uint64(names))
	g.config.Logger.Warn("A push has taken names from groups that nobody had pushed to for long. What these groups have under the names is left out; delete them if their jobs are gone",
		"group", p.key.Excerpt(), "families", names, "family", excerpt.Line(p.brings[first].Name, excerpt.Most), "from", p.takes[first].Excerpt())
}

// remark tells, in brackets, when a group was last pushed to, and why the push
// does not take its names.
func (c *check) remark(key grouping.Key) string {
	group, _ := c.groups.Get(key)
	if group == nil {
		return ""
	}
	age, last := c.now.Sub(group.Pushed), "unknown"
	if !group.Pushed.IsZero() {
		last = ago(age)
	}
	const day = 24 * time.Hour
	next := ""
	switch {
	case c.longAgo == 0 && age >= day:
		next = "; delete it if its job is gone"
	case c.longAgo == 0:
	case age < c.longAgo:
		next = fmt.Sprintf("; %s=%s is longer", c.rule.Where("long_ago"), model.Duration(c.longAgo))
	case c.pending[key] != nil:
		next = "; a push to it is in progress"
	case c.exhausted():
		next = fmt.Sprintf("; a push takes names from at most %d groups, so delete those that are gone", mostGroups)
	}
	return fmt.Sprintf(" (last push to that group: %s%s)", last, next)
}

// ago returns a time in the past by its two largest units.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	units := []struct {
		length time.Duration
		name   string
	}{{365 * day, "y"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		text := fmt.Sprint(int64(d/u.length), u.name)
		if i+1 < len(units) {
			if rest := d % u.length / units[i+1].length; rest > 0 {
				text += fmt.Sprint(" ", int64(rest), units[i+1].name)
			}
		}
		return text + " ago"
	}
	return "just now"
}
