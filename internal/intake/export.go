package intake

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
	"pushgateway/internal/otlp"
	"pushgateway/internal/sums"
)

// export is what a request in the OpenTelemetry protocol has for one group.
type export struct {
	part
	points   map[string]int // of each family, by excerpts of their names
	rejected int            // points that the engine has refused
}

// mostTries bounds how often an export is pushed, each time without the families
// that were refused before.
const mostTries = 4

// partsOf returns the parts, which share their memory with the exports.
func partsOf(exports []*export) []part {
	parts := make([]part, len(exports))
	for i, x := range exports {
		parts[i] = x.part
	}
	return parts
}

// left returns the number of points that are not rejected.
func (x *export) left() (n int) {
	for _, points := range x.points {
		n += points
	}
	return n
}

// leaveOut rejects the points of the families that an error is about, so that the
// others can be pushed. It returns false if that leaves nothing, or the error is
// about something else.
func (x *export) leaveOut(err error, out *Exported) bool {
	if err == nil || mayPass(err) {
		return false
	}
	refused := make(map[string]bool)
	for _, name := range exposition.FamiliesOf(err) {
		refused[name] = true
	}
	isRefused := func(b *exposition.Block) bool { return refused[excerpt.Of(b.Name)] }
	kept, removes := slices.DeleteFunc(slices.Clone(x.blocks), isRefused), x.adds.removesBut(isRefused)
	if len(kept) == len(x.blocks) || len(kept)+len(removes) == 0 {
		return false
	}
	if x.adds != nil {
		x.adds.removes = removes
	}
	rejected := 0
	for name := range refused {
		rejected += x.points[name]
		delete(x.points, name)
	}
	x.blocks = kept
	x.rejected += rejected
	if out.refuse(rejected, err); x.once != nil {
		x.once.Rejected = x.rejected
	}
	return true
}

// tellRejected rejects the points that an export had left out when it counted, if
// that was before.
func (x *export) tellRejected(out *Exported) {
	if x.once == nil || !x.once.Replayed {
		return
	}
	if more := x.once.Rejected - x.rejected; more > 0 {
		out.Rejected.Add(more, "the export has counted before, without %d points for the group %s; the first answer said why", more, x.key.Excerpt())
	}
}

// exportsOf renders resources for a push. Series that cannot be rendered are
// rejected alone. If the push asks for a time to live of its series, all of them
// get it, also those that replace others. Exports are in the order of their keys, as
// pushParts wants them.
func (in *Intake) exportsOf(r *Request, p *gateway.Push, resources []namedResource, out *Exported) (exports []*export, err error) {
	c := content{format: format{valid: true}, budget: p.Budget, limits: &r.Settings.Limits}
	left := maxBlocks(c.limits.Body)
	for _, res := range resources {
		x := &export{part: part{key: res.key, rule: r.Settings.Rules.For(res.key), once: r.once.of(res.key)}, points: make(map[string]int)}
		if adds(res.Resource) || p.SeriesTTL > 0 {
			x.adds = &adder{overwrites: make(map[string]bool)}
		}
		for _, f := range res.Families {
			if isIgnored(&f.Family) {
				out.Rejected.Add(f.Points, "metric %q: the gateway makes it itself; give it another name", excerpt.Of(f.Name))
				continue
			}
			rejects := &rejects{r: r, key: res.key, in: in, of: f, out: out}
			size, err := in.addFamily(x, f, rejects.during(in.rendering(res.key, c, max(left, 1))))
			switch {
			case err == nil:
				left -= size
			case isVerdict(err):
				rejects.add(f.Points, err)
			default:
				return nil, err
			}
		}
		if len(x.blocks) > 0 || x.adds != nil && len(x.adds.removes) > 0 {
			exports = append(exports, x)
		}
	}
	slices.SortFunc(exports, func(a, b *export) int { return cmp.Compare(a.key, b.key) })
	return exports, nil
}

// rejects rejects what of a family cannot be rendered.
type rejects struct {
	in      *Intake
	r       *Request
	key     grouping.Key
	of      *otlp.Family
	out     *Exported
	any     bool
	limited bool // something is over a limit
}

// during returns how to render the series of the family, without those that are
// refused.
func (x *rejects) during(o exposition.Options) exposition.Options {
	o.LeaveOut = func(err error) { x.add(1, err) }
	return o
}

// add rejects points. The group's failure time shows the first error.
func (x *rejects) add(points int, err error) {
	x.of.Points -= points
	if isOverLimit(err) && !x.limited {
		x.limited = true
		x.out.refuse(points, err)
	} else {
		x.out.Rejected.Add(points, "%v", err)
	}
	if !x.any {
		x.any = true
		x.in.gateway.Refuse(x.key, guard.Key(x.r.Client), err)
	}
}

// addFamily renders a family into an export. It returns the size.
func (in *Intake) addFamily(x *export, f *otlp.Family, o exposition.Options) (size int, err error) {
	b, err := in.renderSome(f, f.Series, o)
	if err == nil && len(f.Again) > 0 {
		b, err = in.addAgain(b, f, o)
	}
	if err != nil {
		return 0, err
	}
	gone, err := in.renderSome(f, f.Gone, o)
	if err != nil {
		return 0, err
	}
	if b != nil && b.Series() > 0 {
		x.blocks, size = append(x.blocks, b), b.Size()
	}
	x.points[excerpt.Of(f.Name)] += f.Points // long names may have the same excerpt
	if x.adds != nil && !f.Delta {
		x.adds.overwrites[strings.Clone(f.Name)] = true
	}
	if gone != nil && gone.Series() > 0 {
		x.adds.removes = append(x.adds.removes, gone)
	}
	return size, nil
}

// renderSome renders series of a family. It returns nil if there are none.
func (in *Intake) renderSome(f *otlp.Family, series []metric.Series, o exposition.Options) (*exposition.Block, error) {
	if len(series) == 0 {
		return nil, nil
	}
	family := f.Family
	family.Series = series
	blocks, err := in.render([]*metric.Family{&family}, o)
	if err != nil {
		return nil, err
	}
	return blocks[0], nil
}

// addAgain adds the further points of the series of a family.
func (in *Intake) addAgain(b *exposition.Block, f *otlp.Family, o exposition.Options) (*exposition.Block, error) {
	further, err := in.render(f.Again, o)
	if err != nil {
		return nil, err
	}
	how := sums.Push{At: time.Now(), MaxBuckets: in.config.Limits.Group.SumBuckets}
	sum := sums.Like(b)
	for _, b := range append([]*exposition.Block{b}, further...) {
		plan, err := sum.Plan(b, how)
		if err != nil {
			return nil, err
		}
		plan.Apply()
	}
	return sum.Block(o.MaxBytes, o.Budget)
}

// adds reports whether something of a resource adds to its group, or removes from
// it.
func adds(res *otlp.Resource) bool {
	return slices.ContainsFunc(res.Families, func(f *otlp.Family) bool { return f.Delta || len(f.Gone) > 0 })
}

// adder says how an export adds to its group.
type adder struct {
	overwrites map[string]bool
	removes    []*exposition.Block
}

// removesBut returns what is removed, without the families that are refused. a may be
// nil.
func (a *adder) removesBut(isRefused func(*exposition.Block) bool) []*exposition.Block {
	if a == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.removes), isRefused)
}

// to returns a push that adds, as a says. a may be nil.
func (a *adder) to(p gateway.Push) gateway.Push {
	if a != nil {
		p.Mode, p.Overwrites, p.Removes = gateway.Sum, a.overwrites, a.removes
	}
	return p
}

// bodyKey begins the keys that are made of bodies. No client can send it.
const bodyKey = "\x00body"

// ofExport makes an export with delta temporality count once. SDKs repeat exports
// as they are, so the body is the key, unless the client has sent one.
func (o *once) ofExport(resources []*otlp.Resource, body []byte) {
	counts := func(res *otlp.Resource) bool {
		return slices.ContainsFunc(res.Families, func(f *otlp.Family) bool { return f.Delta })
	}
	sent := o.key
	if o.key = ""; !slices.ContainsFunc(resources, counts) {
		return
	}
	o.key = bodyKey
	o.hash(body)
	o.key = cmp.Or(sent, o.key+string(o.content[:]))
}
