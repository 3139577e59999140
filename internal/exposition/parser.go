package exposition

import (
	"sync"

	"pushgateway/internal/metric"
)

// A Parser reads bodies of pushes. It keeps its memory for the next body, so
// what a parse returned is only good until the next one, and until the body's
// own bytes change. Not for concurrent use; see GetParser.
type Parser struct {
	// LegacyNames has text refused where a name needs quotes. Release clears it.
	LegacyNames bool

	families []*family
	used     int // of families: the rest waits to be used again
	byName   map[string]*family
	labels   []metric.Label // where the labels of the series lie
	series   int
	parts    int
	trusted  bool // we wrote the body ourselves: no bounds

	// Of the text format only.
	line     int
	current  *family
	role     role
	found    int         // the series of current that the last sample went to
	lastName string      // the name that current and role were found for
	bareName string      // the last one at the beginning of a line, if it has no quotes
	rows     []labelText // the first lines of the last families
	row      int         // of the next line of current
	scratch  []byte
	lineEnd  int      // of the line at hand, in the body
	noting   bool     // where the values are
	samples  []sample // all so far, if that is noted
	timed    bool     // there is a timestamp
}

// family is a metric.Family being read.
type family struct {
	metric.Family
	typed, helped bool
	part          int            // which of the families with series it is, see pattern
	first         int            // of its samples
	samples       int            // how many it has
	bySet         map[string]int // label set → series, from the second series on
}

var parsers = sync.Pool{New: func() any { return &Parser{byName: make(map[string]*family)} }}

// GetParser gives a parser to be handed back with Release.
func GetParser() *Parser { return parsers.Get().(*Parser) }

// Release hands the parser back. The families it returned are void.
func (p *Parser) Release() {
	p.LegacyNames = false
	const keep = 1 << 16 // series and labels; more would pin an unusual push's memory
	if cap(p.labels) > keep || p.used > keep || p.series > keep || cap(p.samples) > keep {
		return
	}
	p.reset()
	parsers.Put(p)
}

// reset empties the parser for the next body.
func (p *Parser) reset() {
	for _, f := range p.families[:p.used] {
		clear(f.Series)
		*f = family{Family: metric.Family{Series: f.Series[:0]}}
	}
	clear(p.byName)
	clear(p.labels)
	clear(p.rows)
	*p = Parser{
		LegacyNames: p.LegacyNames,
		families:    p.families, byName: p.byName, labels: p.labels[:0], rows: p.rows[:0],
		scratch: p.scratch[:0], samples: p.samples[:0],
	}
}

// add starts a family with the given name, replacing one that has it.
func (p *Parser) add(name string) (*family, error) {
	if p.used >= maxFamilies {
		return nil, tooMany("families", maxFamilies)
	}
	if p.used == len(p.families) {
		p.families = append(p.families, new(family))
	}
	f := p.families[p.used]
	p.used++
	f.Name = name
	f.Type = metric.Untyped
	p.byName[name] = f
	return f, nil
}

// addSeries appends a series with room for its value to f.
func (p *Parser) addSeries(f *family, labels []metric.Label) (*metric.Series, error) {
	if p.series++; p.series > maxSeries && !p.trusted {
		return nil, tooMany("series", maxSeries)
	}
	p.found = len(f.Series)
	f.Series = append(f.Series, metric.Series{Labels: labels})
	return &f.Series[len(f.Series)-1], nil
}

// count adds to the parts of the push, which are bounded.
func (p *Parser) count(parts int) error {
	if p.parts += parts; p.parts > maxParts && !p.trusted {
		return tooMany("labels, buckets and quantiles", maxParts)
	}
	return nil
}
