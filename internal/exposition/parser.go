package exposition

import (
	"sync"
	"unsafe"

	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// A Parser parses bodies of pushes. It reuses its memory, so a result is only
// valid until the next parse, and until the bytes of the body change. It is not
// safe for concurrent use; see GetParser.
type Parser struct {
	// LegacyNames makes the parser refuse text in which a name needs quotes.
	// Release clears it.
	LegacyNames bool

	families []*family
	used     int // of families; the rest waits for reuse
	byName   map[string]*family
	labels   []metric.Label // the labels of the latest series
	first    int            // where the labels of the present series begin
	series   int
	parts    int
	trusted  bool // the body is our own: no bounds
	limits   Limits
	short    int // bytes of a line that breaks no limit
	memory   tab
	buckets  []metric.Buckets   // the next histograms
	times    []metric.Timestamp // the next start times
	held     int                // bytes that the series of all families have room for
	at, size int                // how much of the body, or of the present message, is parsed

	// For the text format only.
	line     int
	current  *family
	role     role
	found    int         // the series of current that the last sample belongs to
	lastName string      // the name for which current and role were found
	bareName string      // the last name at the beginning of a line, if it has no quotes
	rows     []labelText // the first lines of the last families
	row      int         // of the next line of current
	lastSet  string      // in OpenMetrics, the labels of the line that found belongs to
	scratch  []byte
	other    []byte
	noting   bool         // where the values are
	samples  []sample     // all so far, if recorded
	timed    bool         // there is a timestamp
	newCount metric.Count // of a histogram before its lines are read
}

// family is a metric.Family being parsed.
type family struct {
	metric.Family
	typed, helped bool
	part          int         // its number among the families with series, see pattern
	first         int         // of its samples
	samples       int         // number of samples
	bySet         seriesTable // by label set, from the second series on
	from          int         // what was parsed before it

	// For OpenMetrics only.
	base    string   // the name in comments
	kind    openType // what they say
	started int      // how many series had a start time before they had a value
}

var parsers = sync.Pool{New: func() any { return &Parser{byName: make(map[string]*family)} }}

// GetParser returns a parser. Return it with Release.
func GetParser() *Parser { return parsers.Get().(*Parser).Within(Limits{}, nil) }

// Within sets limits for what is parsed, and the budget for its memory, which
// Release returns. A nil budget has no bound.
func (p *Parser) Within(l Limits, b Budget) *Parser {
	p.limits, p.memory.budget = l.withDefaults(), b
	p.short = p.limits.least()
	return p
}

// Release returns the parser. The families that it returned become invalid.
func (p *Parser) Release() {
	p.LegacyNames = false
	const keep = 2 << 20 // bytes; more would pin an unusual push's memory
	p.memory.giveBack()
	others := labelSize*cap(p.labels) + sampleSize*cap(p.samples) + familySize*len(p.families) + cap(p.scratch)
	if p.held+others > keep {
		return
	}
	p.reset()
	parsers.Put(p)
}

// reset empties the parser for the next body.
func (p *Parser) reset() {
	for _, f := range p.families[:p.used] {
		clear(f.Series)
		f.bySet.reset()
		*f = family{Family: metric.Family{Series: f.Series[:0]}, bySet: f.bySet}
	}
	clear(p.byName)
	clear(p.labels)
	clear(p.rows)
	*p = Parser{
		LegacyNames: p.LegacyNames,
		families:    p.families, byName: p.byName, labels: p.labels[:0], rows: p.rows[:0],
		scratch: p.scratch[:0], other: p.other[:0], samples: p.samples[:0], limits: p.limits, short: p.short, memory: p.memory, held: p.held,
	}
}

// add starts a family with the given name, replacing one of the same name.
func (p *Parser) add(name string) (*family, error) {
	if p.used >= p.limits.Families {
		return nil, p.limits.tooMany(guard.LimitFamiliesPerPush, "families", p.limits.Families, name)
	}
	if err := p.memory.take(familySize + len(name)); err != nil {
		return nil, err
	}
	if p.used == len(p.families) {
		p.families = append(p.families, new(family))
	}
	f := p.families[p.used]
	p.used++
	f.Name = name
	f.Type = metric.Untyped
	f.Line = p.line
	f.from = p.at
	p.byName[name] = f
	return f, nil
}

// addSeries appends a series with room for its value to f.
func (p *Parser) addSeries(f *family, labels []metric.Label) (*metric.Series, error) {
	if p.series++; p.series > p.limits.Series && !p.trusted {
		return nil, p.limits.tooMany(guard.LimitSeriesPerPush, "series", p.limits.Series, f.Name)
	}
	if len(f.Series) == cap(f.Series) {
		if err := p.growSeries(f); err != nil {
			return nil, err
		}
	}
	p.found = len(f.Series)
	f.Series = append(f.Series, metric.Series{Labels: labels})
	return &f.Series[len(f.Series)-1], nil
}

// count adds to the number of parts of the push, which is bounded.
func (p *Parser) count(parts int) error {
	if p.parts += parts; p.parts > p.limits.Parts && !p.trusted {
		return p.limits.tooMany("", "labels, buckets and quantiles", p.limits.Parts, "")
	}
	return nil
}

// How many bytes things take, including what Go needs to manage them.
const (
	familySize    = 384 // with its place in the map, and in the push
	seriesSize    = int(unsafe.Sizeof(metric.Series{}))
	labelSize     = int(unsafe.Sizeof(metric.Label{}))
	bucketSize    = int(unsafe.Sizeof(metric.Bucket{}))
	quantileSize  = int(unsafe.Sizeof(metric.Quantile{}))
	histogramSize = int(unsafe.Sizeof(metric.Buckets{}))
	summarySize   = int(unsafe.Sizeof(metric.Quantiles{}))
	nativeSize    = int(unsafe.Sizeof(metric.Native{}))
	exemplarSize  = int(unsafe.Sizeof(metric.Exemplar{})) + int(unsafe.Sizeof(metric.Timestamp{}))
	timestampSize = int(unsafe.Sizeof(metric.Timestamp{}))
	sampleSize    = int(unsafe.Sizeof(sample{}))
)

// growSeries makes room for more series of a family.
func (p *Parser) growSeries(f *family) error {
	n := expected(len(f.Series), p.at-f.from, p.size-f.from)
	if err := p.memory.take(seriesSize * (n - cap(f.Series))); err != nil {
		return err
	}
	p.held += seriesSize * (n - cap(f.Series))
	f.Series = append(make([]metric.Series, 0, n), f.Series...)
	return nil
}

// expected estimates for how many things to make room next, if n came with the
// first part of size bytes. Growing in small steps would leave much garbage.
// Relying on the beginning alone would take memory that is never needed.
func expected(n, part, size int) int {
	const few = 1 << 10
	switch {
	case n == 0:
		return 1 // many families have no more
	case n < few:
		return max(4, 2*n)
	}
	all := int(float64(n) * float64(size) / float64(max(part, 1)))
	return min(max(all+all/32, n+n/4), 16*n)
}

// room makes sure that the labels of the present series have room for one more.
// Those of earlier series stay where they are.
func (p *Parser) room() error {
	if len(p.labels) < cap(p.labels) {
		return nil
	}
	const least, most = 256, 1 << 15
	own := p.labels[p.first:]
	n := max(min(max(least, 2*cap(p.labels)), most), 2*len(own))
	if err := p.memory.take(labelSize * n); err != nil {
		return err
	}
	p.labels, p.first = append(make([]metric.Label, 0, n), own...), 0
	return nil
}

// appendCounted appends to a list, and takes memory for it as it grows.
func appendCounted[T any](t *tab, list []T, item T, size int) ([]T, error) {
	if len(list) < cap(list) {
		return append(list, item), nil
	}
	n := max(4, 2*len(list))
	if err := t.take(size * n); err != nil {
		return list, err
	}
	return append(append(make([]T, 0, n), list...), item), nil
}
