package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// OpenMetrics is read as Prometheus reads it: line by line, each sample under
// the name that its line has. The comments tell which lines belong together. A
// family becomes one of the text format: the counter x with lines x_total is
// the counter x_total, and the info x is the gauge x_info.

// openType is a type of OpenMetrics.
type openType struct {
	typ metric.Type
	// roles are those of the lines with these suffixes. A suffix of roleSample
	// becomes a part of the name if the type has no special label.
	roles map[string]role
	// bare means that lines may have the name without a suffix. By the standard
	// counters and infos may not, but Prometheus reads them.
	bare bool
}

var openTypes = map[string]openType{
	"counter":        {metric.Counter, map[string]role{totalSuffix: roleSample, createdSuffix: roleCreated}, true},
	"gauge":          {metric.Gauge, nil, true},
	"histogram":      {metric.Histogram, map[string]role{metric.BucketSuffix: roleSample, metric.SumSuffix: roleSum, metric.CountSuffix: roleCount, createdSuffix: roleCreated}, false},
	"gaugehistogram": {metric.GaugeHistogram, map[string]role{metric.BucketSuffix: roleSample, gaugeSumSuffix: roleSum, gaugeCountSuffix: roleCount}, false},
	"summary":        {metric.Summary, map[string]role{metric.SumSuffix: roleSum, metric.CountSuffix: roleCount, createdSuffix: roleCreated}, true},
	"info":           {metric.Gauge, map[string]role{infoSuffix: roleSample}, true},
	"stateset":       {metric.Gauge, nil, true},
	"unknown":        {metric.Untyped, nil, true},
}

// HasOpenMetricsEnd reports whether a body has the line that ends OpenMetrics.
func HasOpenMetricsEnd(body []byte) bool {
	end := []byte(openMetricsEOF)
	for at := 0; ; {
		i := bytes.Index(body[at:], end)
		if i < 0 {
			return false
		}
		i += at
		at = i + len(end)
		after := bytes.TrimPrefix(body[at:], []byte("\r"))
		if (i == 0 || body[i-1] == '\n') && (len(after) == 0 || after[0] == '\n') {
			return true
		}
	}
}

// ParseOpenMetrics parses OpenMetrics, versions 1.0.0 and 0.0.1, with legacy
// names if LegacyNames is set. It accepts and refuses the same bodies as
// textparse.OpenMetricsParser, apart from what makes no series: see
// TestOpenMetricsDiffers. It leaves out families without series.
//
// The strings in the result point into body.
func (p *Parser) ParseOpenMetrics(body []byte) ([]*metric.Family, error) {
	p.reset()
	p.size, p.newCount = len(body), uncounted
	for rest := view(body); len(rest) > 0; {
		p.line++
		line, after, complete := strings.Cut(rest, "\n")
		p.at = len(body) - len(after)
		if line == openMetricsEOF {
			return p.ended(after)
		}
		if !complete {
			break
		}
		if err := p.parseOpenLine(line); err != nil {
			if strings.HasSuffix(line, "\r") && errors.As(err, new(*SyntaxError)) {
				return nil, p.syntaxError("the line ends with CRLF; end lines with LF")
			}
			return nil, err
		}
		rest = after
	}
	return nil, p.syntaxError("OpenMetrics ends with the line # EOF, which is missing; add it")
}

// ended returns the families if nothing follows the end.
func (p *Parser) ended(after string) ([]*metric.Family, error) {
	if after != "" {
		p.line++
		return nil, p.syntaxError("found %s after # EOF, which ends the body; remove the rest, or the # EOF before it", found(after))
	}
	for _, f := range p.families[:p.used] {
		if err := f.checkStarted(); err != nil {
			return nil, err
		}
		f.fillCounts()
	}
	return p.filledFamilies(), nil
}

// uncounted is the count of a histogram in OpenMetrics that has no line for it yet.
var uncounted = metric.Count{Float: -1}

// fillCounts gives histograms without a line for it the count of their last bucket.
// OpenMetrics lets clients leave out count and sum.
func (f *family) fillCounts() {
	if !f.Type.IsHistogram() {
		return
	}
	for i := range f.Series {
		h := f.Series[i].Histogram
		if h == nil || h.Count != uncounted {
			continue
		}
		h.Count = metric.Count{}
		for _, b := range h.Classic {
			if isInf(b.UpperBound) {
				h.Count = b.Count
			}
		}
	}
}

func (p *Parser) parseOpenLine(line string) error {
	if strings.HasPrefix(line, "#") {
		return p.parseOpenComment(line)
	}
	return p.parseOpenSample(line)
}

// parseOpenComment parses a HELP, TYPE or UNIT line. There are no others.
func (p *Parser) parseOpenComment(line string) error {
	keyword, rest, _ := strings.Cut(strings.TrimPrefix(line, "# "), " ")
	switch {
	case !strings.HasPrefix(line, "# "), keyword != "HELP" && keyword != "TYPE" && keyword != "UNIT":
		return p.syntaxError("found the comment %q; OpenMetrics has no comments but HELP, TYPE, UNIT and EOF, each after one space; remove the line", excerpt.Of(line))
	}
	name, end, err := p.openName(rest, 0, isNameByte)
	switch {
	case err != nil:
		return err
	case end == 0:
		return p.firstName("a metric name after "+keyword, rest)
	case end == len(rest):
		return p.syntaxError("the %s line of %q says nothing; write a space and then the text, or remove the line", keyword, excerpt.Of(name))
	case rest[end] != ' ':
		return p.commentName(keyword, name, rest[end:])
	}
	if err := p.enterOpen(name); err != nil {
		return err
	}
	switch text := rest[end+1:]; keyword {
	case "HELP":
		return p.setOpenHelp(text)
	case "TYPE":
		return p.setOpenType(text)
	default:
		return p.setUnit(text)
	}
}

func (p *Parser) setOpenHelp(text string) error {
	if !utf8.ValidString(text) {
		return p.syntaxError("the help text %q is not valid UTF-8; write the text as UTF-8", excerpt.Of(text))
	}
	if text == "" {
		return nil
	}
	if p.current.helped {
		return p.syntaxError("second HELP line for metric name %q; keep one", excerpt.Of(p.current.Name))
	}
	help, err := p.unescapeOpen(text)
	p.current.Help, p.current.helped = help, true
	return err
}

func (p *Parser) setOpenType(text string) error {
	t, ok := openTypes[text]
	switch {
	case !ok:
		return p.noOpenType(text)
	case p.current.typed:
		return p.lateType()
	}
	p.current.Type, p.current.kind, p.current.typed = t.typ, t, true
	return nil
}

func (p *Parser) noOpenType(text string) error {
	const known = "counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown"
	if text == "untyped" {
		return p.syntaxError("unknown metric type %q; OpenMetrics calls it unknown", text)
	}
	return p.syntaxError("unknown metric type %q; use %s", excerpt.Of(text), known)
}

// setUnit sets the unit, which must be the last part of the name.
func (p *Parser) setUnit(unit string) error {
	f := p.current
	switch {
	case unit == "":
		return nil
	case f.Unit != "":
		return p.syntaxError("second UNIT line for metric name %q; keep one", excerpt.Of(f.base))
	case !hasUnit(f.base, unit):
		return p.syntaxError("the name %q does not end with its unit; call it %s_%s, or remove the UNIT line", excerpt.Of(f.base), excerpt.Of(f.base), excerpt.Of(unit))
	}
	f.Unit = unit
	return nil
}

// hasUnit reports whether a name in OpenMetrics ends with a unit.
func hasUnit(name, unit string) bool {
	before, ok := strings.CutSuffix(name, unit)
	return ok && strings.HasSuffix(before, "_")
}

// enterOpen makes the family of a name in a comment, or in a sample without a
// suffix, the current one.
func (p *Parser) enterOpen(name string) error {
	if name == p.lastName && p.current != nil {
		return nil
	}
	if err := p.checkMetricName(name); err != nil {
		return err
	}
	f, r := p.findOpen(name)
	if f == nil {
		var err error
		if f, err = p.add(name); err != nil {
			return err
		}
		f.base = name
		f.kind.bare = true
	}
	if f != p.current {
		p.row, p.lastSet = 0, ""
	}
	p.current, p.role, p.lastName = f, r, name
	return nil
}

// findOpen finds the family of a line: that of its name, or else that of the
// name without its suffix, if lines of the type have such a one.
func (p *Parser) findOpen(name string) (*family, role) {
	if f := p.byName[name]; f != nil {
		return f, roleSample
	}
	cut := strings.LastIndexByte(name, '_')
	if cut <= 0 {
		return nil, roleSample
	}
	f := p.byName[name[:cut]]
	if f == nil || f.base != name[:cut] {
		return nil, roleSample
	}
	r, ok := f.kind.roles[name[cut:]]
	if !ok {
		return nil, roleSample
	}
	return f, r
}

// enterOpenSample is enterOpen for a line with a value.
func (p *Parser) enterOpenSample(name string) error {
	if err := p.enterOpen(name); err != nil {
		return err
	}
	f := p.current
	f.typed = true
	if p.role != roleSample || name == f.Name && f.kind.bare {
		return nil
	}
	switch {
	case name == f.base:
		return p.noSuffix(name)
	case specialLabel(f.Type) == "" && name != f.Name:
		return p.rename(f, name)
	}
	return nil
}

// rename gives a family the name that its lines have. p.byName has it under both
// from then on.
func (p *Parser) rename(f *family, name string) error {
	if slices.ContainsFunc(f.Series, func(s metric.Series) bool { return !s.Missing }) {
		return p.syntaxError("%q is a line of the %s %q, which has lines without this suffix already; give all of them the same name", excerpt.Of(name), f.Type, excerpt.Of(f.base))
	}
	const place = 64 // bytes in the map
	f.Name = name
	p.byName[name] = f
	return p.memory.take(place)
}

// noSuffix refuses a line with the name of a family whose lines have others.
func (p *Parser) noSuffix(name string) error {
	f := p.current
	if specialLabel(f.Type) == "" {
		return p.syntaxError("%q is a line without a suffix, but others of its family have one; call it %q", excerpt.Of(name), excerpt.Of(f.Name))
	}
	count, sum := metric.CountSuffix, metric.SumSuffix
	if f.Type == metric.GaugeHistogram {
		count, sum = gaugeCountSuffix, gaugeSumSuffix
	}
	return p.syntaxError("%q is a %s, which has only lines that end in %s, %s and %s; rename the line, or the family", excerpt.Of(name), f.Type, metric.BucketSuffix, count, sum)
}

// findSample returns the series of a family without a special label that a line
// belongs to. Only a start time can have come before it.
func (p *Parser) findSample(f *family, labels []metric.Label) (*metric.Series, error) {
	if f.started == 0 {
		return p.addSeries(f, labels)
	}
	had := len(f.Series)
	s, err := p.findSeries(f, labels)
	if err != nil || len(f.Series) > had {
		return s, err
	}
	if s.Missing {
		return s, nil
	}
	return p.addSeries(f, labels) // it comes twice, and rendering says so
}

// setCreated sets the start time of the series with these labels.
func (p *Parser) setCreated(labels []metric.Label, text string) error {
	f := p.current
	at, err := parseUnix(text)
	if err != nil {
		return p.syntaxError("expected the start time in Unix seconds, got %q: %v", excerpt.Of(text), err)
	}
	had := len(f.Series)
	s, err := p.findSeries(f, labels)
	if err != nil {
		return err
	}
	if len(f.Series) > had {
		p.labels = p.labels[:p.first+len(labels)]
		f.started++
		s.Missing = true
	} else {
		p.labels = p.labels[:p.first]
	}
	return p.create(s, at)
}

// create sets the start time of a series, which must have none.
func (p *Parser) create(s *metric.Series, at metric.Timestamp) error {
	if s.Created != nil {
		return p.syntaxError("second start time of the series %s; keep one", FormatSeries(p.current.Name, s.Labels))
	}
	if len(p.times) == cap(p.times) {
		more := min(max(1, 2*cap(p.times)), 1<<10)
		if err := p.memory.take(more * timestampSize); err != nil {
			return err
		}
		p.times = make([]metric.Timestamp, 0, more)
	}
	p.times = append(p.times, at)
	s.Created = &p.times[len(p.times)-1]
	return nil
}

// checkStarted refuses a start time without a value.
func (f *family) checkStarted() error {
	if f.started == 0 {
		return nil
	}
	for i := range f.Series {
		if s := &f.Series[i]; s.Missing {
			return &InvalidError{
				Family: strings.Clone(excerpt.Of(f.Name)), Line: f.Line,
				Msg: fmt.Sprintf("the series %s has a start time (%s), but no value; push both, or neither", FormatSeries(f.Name, s.Labels), createdSuffix),
			}
		}
	}
	return nil
}
