package scrape

import (
	"iter"
	"slices"
	"sync"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// claimed is a family with the age of its name.
type claimed struct {
	exposition.Exposed
	claim gateway.Revision
}

// families yields all families, sorted by name: pushed ones, the times of the
// groups, and the gateway's own. Gathering the latter takes time, so the
// families before them are sent meanwhile.
func (s *Scraper) families(v *gateway.View) iter.Seq[claimed] {
	own := sync.OnceValue(func() []exposition.Exposed { return withPushed(v, s.own(v)) })
	return among(withTimes(v), s.firstOwn, own)
}

// withTimes yields the families of groups, sorted by name: pushed ones and
// their times.
func withTimes(v *gateway.View) iter.Seq[claimed] {
	return among(pushedFamilies(v), "", func() []exposition.Exposed { return times(v) })
}

// pushedFamilies yields the pushed families, except those that the gateway
// makes itself.
func pushedFamilies(v *gateway.View) iter.Seq[claimed] {
	return func(yield func(claimed) bool) {
		for f := range v.EachFamily() {
			if !metric.IsTime(f.Name) && !yield(claimed{exposed(f), f.Claim}) {
				return
			}
		}
	}
}

// among merges few families, which have no age, into many. Both are sorted by
// name. If both have a name, the family of the many is left out. The few are
// requested only when a name not before first comes.
func among(many iter.Seq[claimed], first string, few func() []exposition.Exposed) iter.Seq[claimed] {
	return func(yield func(claimed) bool) {
		var rest []exposition.Exposed
		asked := false
		for f := range many {
			if !asked && f.Name >= first {
				rest, asked = few(), true
			}
			for len(rest) > 0 && rest[0].Name < f.Name {
				if !yield(claimed{rest[0], 0}) {
					return
				}
				rest = rest[1:]
			}
			both := len(rest) > 0 && rest[0].Name == f.Name
			if !both && !yield(f) {
				return
			}
		}
		if !asked {
			rest = few()
		}
		for _, f := range rest {
			if !yield(claimed{f, 0}) {
				return
			}
		}
	}
}

// withPushed adds to the gateway's own families what was pushed under the same
// names.
func withPushed(v *gateway.View, own []exposition.Exposed) []exposition.Exposed {
	both := slices.Clone(own)
	for i, f := range own {
		if pushed := v.Family(f.Name); pushed != nil {
			both[i] = merged(f, pushed)
		}
	}
	return both
}

func exposed(f *gateway.Family) exposition.Exposed {
	first := f.First()
	return exposition.Exposed{
		Name: f.Name, Help: first.Help, Unit: first.Unit, EmptyHelp: first.EmptyHelp, Type: f.Type,
		Series: f.Series, NotLegacy: f.NotLegacy, ProtoSize: f.ProtoSize,
		Blocks: func(yield func(*exposition.Block) bool) {
			for _, b := range f.Blocks() {
				if !yield(b) {
					return
				}
			}
		},
	}
}

// merged adds what was pushed to a family of the gateway itself. Their types
// are equal, since a pushed family of another type is not exposed.
func merged(own exposition.Exposed, f *gateway.Family) exposition.Exposed {
	pushed := exposed(f)
	both := own
	both.Series += pushed.Series
	both.NotLegacy += pushed.NotLegacy
	both.ProtoSize += pushed.ProtoSize
	both.Blocks = func(yield func(*exposition.Block) bool) {
		for b := range own.Blocks {
			if !yield(b) {
				return
			}
		}
		for b := range pushed.Blocks {
			if !yield(b) {
				return
			}
		}
	}
	return both
}

// times yields the families that the gateway makes for each group.
func times(v *gateway.View) []exposition.Exposed {
	t := v.Times()
	if t.Series == 0 {
		return nil
	}
	family := func(name, help string, series, notLegacy, protoSize int, block func(*gateway.Group) *exposition.Block) exposition.Exposed {
		return exposition.Exposed{
			Name: name, Help: help, Type: metric.Gauge, Series: series, NotLegacy: notLegacy, ProtoSize: protoSize,
			Blocks: func(yield func(*exposition.Block) bool) {
				for g := range v.EachGroup("") {
					if b := block(g); b != nil && v.ExposesTimes(g) && !yield(b) {
						return
					}
				}
			},
		}
	}
	families := []exposition.Exposed{
		family(metric.PushFailureTime, gateway.FailureTimeHelp, t.Series, t.NotLegacy, t.FailureProto, (*gateway.Group).FailureTime),
		family(metric.PushTime, gateway.PushTimeHelp, t.Series, t.NotLegacy, t.PushProto, (*gateway.Group).PushTime),
	}
	if t.Expiring > 0 {
		families = append(families, family(metric.PushExpiryTime, gateway.ExpiryTimeHelp, t.Expiring, t.ExpiringNotLegacy, t.ExpiryProto, (*gateway.Group).ExpiryTime))
	}
	return families
}

// groupFamilies returns the exposed families of a group.
func groupFamilies(v *gateway.View, g *gateway.Group) iter.Seq[exposition.Exposed] {
	return func(yield func(exposition.Exposed) bool) {
		for i := range g.Families {
			if h := &g.Families[i]; v.Exposes(g, h) && !yield(exposition.ExposeBlock(h.Block)) {
				return
			}
		}
		if !v.ExposesTimes(g) {
			return
		}
		for _, b := range g.Times() {
			if !yield(exposition.ExposeBlock(b)) {
				return
			}
		}
	}
}
