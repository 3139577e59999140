package httpapi

import (
	"errors"
	"io"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// scrape streams the present view. It sorts nothing, and renders only what no
// earlier scrape has asked for.
func (a *api) scrape(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	giveBack := a.turns.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
	format := exposition.Negotiate(r.Header, a.EnableOpenMetrics)
	w.Header().Set("Content-Type", format.ContentType())
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	wire := newSteady(w)
	out := io.WriteCloser(plain{wire})
	if encoding, z := exposition.Pack(r.Header.Get("Accept-Encoding"), wire); z != nil {
		w.Header().Set("Content-Encoding", encoding)
		out = z
	}
	p := newPipeline(out)
	defer p.Close()
	s := Scrape{Format: format}
	var err error
	s.LeftOut, err = a.expose(p, format)
	unread := errors.Join(p.Close(), out.Close())
	switch {
	case unread != nil:
		a.Logger.Debug("The client did not read a scrape to the end", "err", unread)
		return
	case err != nil:
		// No scrape is better than a part that looks complete.
		a.Logger.Error("Could not write a scrape", "format", format.Syntax, "err", err)
		panic(http.ErrAbortHandler)
	}
	if r.Method == http.MethodHead {
		return // the client only checks that the gateway is there
	}
	s.Bytes, s.Took = p.n, time.Since(start)
	a.Scraped(s)
	a.scrapers.note(scraperOf(a.Proxies.Client(r), r, s, time.Now()))
}

// plain is a response without compression.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// own returns the gateway's own families. A scrape exposes what could be
// gathered, and never fails for the rest.
func (a *api) own() []exposition.Exposed {
	own, err := a.Own()
	if err != nil {
		a.Logger.Error("Could not gather the gateway's own metrics", "err", err)
	}
	return own
}

// expose writes all families in the order of their names. It returns how many
// this format leaves out.
func (a *api) expose(w io.Writer, format exposition.Format) (leftOut int, err error) {
	view := a.Gateway.View()
	hidden := a.hiding.of(format, a.Gateway.Reserved, view)
	enc := exposition.NewEncoder(w, format, a.cache)
	enc.Join(a.runs)
	for f := range a.exposedFamilies(view) {
		if hidden[f.Name] {
			if f.claim > 0 { // nobody misses one of the gateway's own
				leftOut++
			}
			continue
		}
		if err := enc.Encode(f.Exposed); err != nil {
			return 0, err
		}
	}
	return leftOut + enc.Dropped, enc.Close()
}

// claimed is a family with the age of its name.
type claimed struct {
	exposition.Exposed
	claim gateway.Revision
}

// exposedFamilies yields all families, sorted by name: pushed ones, the times
// of the groups, and the gateway's own. Gathering the latter takes time, so the
// families before them are sent meanwhile.
func (a *api) exposedFamilies(v *gateway.View) iter.Seq[claimed] {
	own := sync.OnceValue(func() []exposition.Exposed { return withPushed(v, a.own()) })
	return among(among(pushedFamilies(v), "", func() []exposition.Exposed { return times(v) }), a.firstOwn, own)
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
		Name: f.Name, Help: first.Help, EmptyHelp: first.EmptyHelp, Type: f.Type,
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
