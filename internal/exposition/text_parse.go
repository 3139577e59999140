package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// role is the role of a line in a summary or histogram.
type role uint8

const (
	roleSample role = iota // a quantile, a bucket, or a plain sample
	roleCount
	roleSum
	roleCreated // in OpenMetrics only
)

// ParseText parses the text format, versions 0.0.4 and 1.0.0. It accepts and
// refuses the same bodies as expfmt.TextParser, with legacy names if
// LegacyNames is set. It leaves out families without series.
//
// The strings in the result point into body.
func (p *Parser) ParseText(body []byte) ([]*metric.Family, error) {
	return p.parseText(view(body))
}

func (p *Parser) parseText(body string) ([]*metric.Family, error) {
	p.reset()
	p.noting = len(body) <= maxPattern
	return p.readText(body)
}

func (p *Parser) readText(body string) ([]*metric.Family, error) {
	p.size = len(body)
	for rest := body; len(rest) > 0; {
		p.line++
		end := strings.IndexByte(rest, '\n')
		p.at = len(body) - len(rest) + end
		if end < 0 {
			if skipBlanks(rest, 0) < len(rest) {
				return nil, p.noNewline(rest)
			}
			break
		}
		if err := p.parseLine(rest[:end]); err != nil {
			if strings.HasSuffix(rest[:end], "\r") && errors.As(err, new(*SyntaxError)) {
				return nil, p.syntaxError("the line ends with CRLF; end lines with LF")
			}
			return nil, err
		}
		rest = rest[end+1:]
	}
	return p.filledFamilies(), nil
}

// filledFamilies returns the families that have series.
func (p *Parser) filledFamilies() []*metric.Family {
	found := make([]*metric.Family, 0, p.used)
	for _, f := range p.families[:p.used] {
		if len(f.Series) > 0 {
			makeUniform(&f.Family)
			f.Distinct = specialLabel(f.Type) != "" // see findSeries
			p.memory.put(f.bySet.reset())
			found = append(found, &f.Family)
		}
	}
	return found
}

func (p *Parser) syntaxError(format string, args ...any) error {
	return &SyntaxError{Line: p.line, Msg: fmt.Sprintf(format, args...)}
}

// parseLine parses one line, without its newline.
func (p *Parser) parseLine(line string) error {
	i := skipBlanks(line, 0)
	if i == len(line) {
		return nil
	}
	if line[i] == '#' {
		return p.parseComment(line[i+1:])
	}
	return p.parseSample(line[i:])
}

// parseComment parses what follows a '#'.
func (p *Parser) parseComment(line string) error {
	i := skipBlanks(line, 0)
	keyword := untilBlank(line[i:])
	i += len(keyword)
	if keyword != "HELP" && keyword != "TYPE" || i == len(line) {
		return nil
	}
	i = skipBlanks(line, i)
	name, i, err := p.readName(line, i, isNameByte)
	if err != nil || i == len(line) {
		return err // a comment that ends with the name says nothing
	}
	if !isBlank(line[i]) {
		return p.commentName(keyword, name, line[i:])
	}
	if err := p.enter(name); err != nil {
		return err
	}
	text := line[skipBlanks(line, i):]
	switch {
	case text == "":
		return nil
	case keyword == "HELP":
		return p.setHelp(text)
	default:
		return p.setType(text)
	}
}

func (p *Parser) setHelp(text string) error {
	if p.current.helped {
		return p.syntaxError("second HELP line for metric name %q; keep one", excerpt.Of(p.current.Name))
	}
	help, err := p.unescape(text)
	if err != nil {
		return err
	}
	p.current.Help, p.current.helped = help, true
	return nil
}

// typesByName are the types of the format, and "gauge_histogram", which expfmt
// tolerates.
var typesByName = map[string]metric.Type{
	"COUNTER": metric.Counter, "GAUGE": metric.Gauge, "SUMMARY": metric.Summary, "UNTYPED": metric.Untyped,
	"HISTOGRAM": metric.Histogram, "GAUGEHISTOGRAM": metric.GaugeHistogram, "GAUGE_HISTOGRAM": metric.GaugeHistogram,
}

func (p *Parser) setType(text string) error {
	if p.current.typed {
		return p.lateType()
	}
	// expfmt drops backslashes here.
	t, ok := typesByName[strings.ToUpper(strings.ReplaceAll(text, `\`, ""))]
	if !ok {
		return p.noType(text)
	}
	p.current.Type, p.current.typed = t, true
	return nil
}

// parseSample parses a line with a value.
func (p *Parser) parseSample(line string) error {
	p.first = len(p.labels)
	labels, i, err := p.parseSeries(line)
	if err != nil {
		return err
	}
	if len(line) > p.short && !p.trusted {
		if err := p.limits.checkLine(p.lastName, labels); err != nil {
			return atLine(p.line, err)
		}
	}
	i = skipBlanks(line, i)
	text := untilBlank(line[i:])
	value, err := parseFloat(text)
	if err != nil {
		return p.noValue(line, i, text, err)
	}
	timed, err := p.parseTimestamp(line[i+len(text):])
	if err != nil {
		return err
	}
	p.timed = p.timed || timed
	if err := p.addSample(labels, value, timed); err != nil {
		return err
	}
	if !p.noting {
		return nil
	}
	return p.note(text)
}

// parseSeries parses what precedes the value.
func (p *Parser) parseSeries(line string) (labels []metric.Label, i int, err error) {
	if line[0] == '{' {
		return p.parseLabels(line, 1, true)
	}
	name, i, err := p.readSampleName(line)
	if err != nil {
		return nil, 0, err
	}
	if name == "" {
		return nil, 0, p.noName(line)
	}
	if err := p.enterSample(name); err != nil {
		return nil, 0, err
	}
	i = skipBlanks(line, i)
	switch {
	case i == len(line) || line[i] != '{':
		return nil, i, nil
	case specialLabel(p.current.Type) != "":
		return p.parseLabels(line, i+1, false)
	}
	return p.recallLabels(line, i)
}

// readSampleName reads the name that a line begins with, which is usually that
// of the previous line.
func (p *Parser) readSampleName(line string) (string, int, error) {
	n := len(p.bareName)
	if n > 0 && n < len(line) && byteClass[line[n]]&(isNameByte|isDigitByte) == 0 && line[:n] == p.bareName {
		return p.bareName, n, nil
	}
	name, i, err := p.readName(line, 0, isNameByte)
	if i == len(name) { // there are no quotes
		p.bareName = name
	}
	return name, i, err
}

// labelText is the label part of a line, from one brace to the other, and its
// labels.
type labelText struct {
	text   string
	labels []metric.Label
}

// maxRows bounds how many label sets of a family are remembered.
const maxRows = 256

// recallLabels is parseLabels with a look at the previous family: many families
// have the same label sets in the same order, and share their memory then.
func (p *Parser) recallLabels(line string, i int) (labels []metric.Label, next int, err error) {
	row := p.row
	p.row++
	if row < len(p.rows) {
		if known := &p.rows[row]; strings.HasPrefix(line[i:], known.text) {
			return known.labels, i + len(known.text), p.count(len(known.labels))
		}
	}
	if labels, next, err = p.parseLabels(line, i+1, false); err != nil {
		return nil, 0, err
	}
	switch now := (labelText{line[i:next], labels}); {
	case row < len(p.rows):
		p.rows[row] = now
	case row < maxRows:
		p.rows = append(p.rows, now)
	}
	return labels, next, nil
}

// parseLabels parses label pairs up to the closing brace. In named mode the
// name of the metric is among them.
func (p *Parser) parseLabels(line string, i int, named bool) (labels []metric.Label, next int, err error) {
	found := !named
	for {
		i = skipBlanks(line, i)
		if i < len(line) && line[i] == '}' {
			break
		}
		name, next, err := p.readName(line, i, isLabelByte)
		if err != nil {
			return nil, 0, err
		}
		if name == "" {
			return nil, 0, p.noLabel(line[i:])
		}
		i = skipBlanks(line, next)
		isValue := i < len(line) && line[i] == '='
		if isValue && len(p.labels)-p.first >= p.mostLabels() && !p.trusted {
			return nil, 0, p.limits.tooManyLabels(p.lastName)
		}
		if isValue {
			if i, err = p.parseLabelValue(line, i+1, name); err != nil {
				return nil, 0, err
			}
		} else {
			if found {
				return nil, 0, p.noEquals(name, line[next:i], line[i:])
			}
			found = true
			if err := p.enterSample(name); err != nil {
				return nil, 0, err
			}
		}
		if i < len(line) && line[i] == ',' {
			i++
			continue
		}
		if i == len(line) || line[i] != '}' {
			return nil, 0, p.noComma(name, line[i:], isValue)
		}
		break
	}
	if !found {
		return nil, 0, p.syntaxError("no metric name in %q; put it before the brace", excerpt.Of(line))
	}
	labels = p.labels[p.first:len(p.labels):len(p.labels)]
	if err := p.checkDuplicates(labels); err != nil {
		return nil, 0, err
	}
	return labels, i + 1, p.count(len(labels))
}

// mostLabels returns how many labels the present line may have: le and quantile
// do not count as labels of a series. checkCount counts exactly.
func (p *Parser) mostLabels() int {
	if p.current != nil && specialLabel(p.current.Type) != "" {
		return p.limits.LabelCount + 1
	}
	return p.limits.LabelCount
}

// parseLabelValue parses a quoted value and the whitespace after it.
func (p *Parser) parseLabelValue(line string, i int, name string) (int, error) {
	if name == metric.NameLabel {
		return 0, p.syntaxError("label name %q is reserved; put the metric name before the brace", metric.NameLabel)
	}
	if p.LegacyNames && !metric.IsLegacyLabel(name) {
		return 0, p.needsUTF8("label name", name, metric.EscapeLabel(name, metric.Underscores))
	}
	if !utf8.ValidString(name) {
		return 0, p.syntaxError("label name %q is not valid UTF-8", excerpt.Of(name))
	}
	i = skipBlanks(line, i)
	if i == len(line) || line[i] != '"' {
		return 0, p.noQuote(name, line[i:])
	}
	i++
	end, escaped := closingQuote(line, i)
	if end < 0 {
		return 0, p.syntaxError("the value of label %q has no closing quote on its line; write a newline in a value as \\n", excerpt.Of(name))
	}
	value := line[i:end]
	if escaped {
		var err error
		if value, err = p.unescape(value); err != nil {
			return 0, err
		}
	}
	if !utf8.ValidString(value) {
		return 0, p.syntaxError("the value %q of label %q is not valid UTF-8; write the text as UTF-8", excerpt.Of(value), excerpt.Of(name))
	}
	if err := p.room(); err != nil {
		return 0, err
	}
	p.labels = append(p.labels, metric.Label{Name: name, Value: value})
	return skipBlanks(line, end+1), nil
}

// checkDuplicates refuses a label name that occurs twice. A histogram's "le"
// and a summary's "quantile" may: expfmt takes the last.
func (p *Parser) checkDuplicates(labels []metric.Label) error {
	for i := 1; i < len(labels); i++ {
		name := labels[i].Name
		if i > 16 {
			return p.checkManyDuplicates(labels)
		}
		for _, l := range labels[:i] {
			if l.Name == name && name != specialLabel(p.current.Type) {
				return p.twice(name)
			}
		}
	}
	return nil
}

func (p *Parser) checkManyDuplicates(labels []metric.Label) error {
	seen := make(map[string]bool, len(labels))
	for _, l := range labels {
		if seen[l.Name] && l.Name != specialLabel(p.current.Type) {
			return p.twice(l.Name)
		}
		seen[l.Name] = true
	}
	return nil
}

// parseTimestamp parses what may follow the value.
func (p *Parser) parseTimestamp(rest string) (timed bool, err error) {
	if rest == "" {
		return false, nil
	}
	rest = rest[skipBlanks(rest, 0):]
	if _, err := strconv.ParseInt(rest, 10, 64); err != nil {
		return false, p.noTimestamp(rest)
	}
	return true, nil
}

// needsUTF8 refuses a name that is not a legacy name. legacy is what it could
// be instead.
func (p *Parser) needsUTF8(kind, name, legacy string) error {
	return p.syntaxError("the %s %q needs a gateway with --push.enable-utf8-names; start it with that flag, or write %q", kind, excerpt.Of(name), excerpt.Of(legacy))
}

// checkMetricName returns an error for a name that no family may have.
func (p *Parser) checkMetricName(name string) error {
	switch {
	case name == "" || !utf8.ValidString(name):
		return p.syntaxError("invalid metric name %q", excerpt.Of(name))
	case p.LegacyNames && !metric.IsLegacyName(name):
		return p.needsUTF8("metric name", name, metric.EscapeName(name, metric.Underscores))
	}
	return nil
}

// enter makes the family that name belongs to the current one. The name of a
// summary's or histogram's count, sum or buckets belongs to that family, unless
// a family of exactly that name occurred before.
func (p *Parser) enter(name string) error {
	if name == p.lastName && p.current != nil {
		return nil
	}
	if err := p.checkMetricName(name); err != nil {
		return err
	}
	f, r := p.find(name)
	if f == nil {
		var err error
		if f, err = p.add(name); err != nil {
			return err
		}
	}
	p.current, p.role, p.lastName, p.row = f, r, name, 0
	return nil
}

func (p *Parser) find(name string) (*family, role) {
	if f := p.byName[name]; f != nil {
		return f, roleSample
	}
	if len(name) < len("_sum") || name[len(name)-1] != 't' && name[len(name)-1] != 'm' {
		return nil, roleSample
	}
	base, summaryToo := metric.SuffixBase(name)
	f := p.byName[base]
	if f == nil || base == "" || !(f.Type.IsHistogram() || f.Type == metric.Summary && summaryToo) {
		return nil, roleSample
	}
	switch name[len(base):] {
	case metric.CountSuffix:
		return f, roleCount
	case metric.SumSuffix:
		return f, roleSum
	}
	return f, roleSample
}

// enterSample is enter for a line with a value, which fixes the type.
func (p *Parser) enterSample(name string) error {
	if err := p.enter(name); err != nil {
		return err
	}
	p.current.typed = true
	return nil
}

// addSample stores a value as the type of the current family requires.
func (p *Parser) addSample(labels []metric.Label, value float64, timed bool) error {
	f := p.current
	special := specialLabel(f.Type)
	if special == "" {
		s, err := p.addSeries(f, labels)
		if err != nil {
			return err
		}
		s.Value, s.Timed = value, timed
		return nil
	}
	labels, bound, err := p.cutSpecial(labels, special)
	if err != nil {
		return err
	}
	had := len(f.Series)
	s, err := p.findSeries(f, labels)
	if err != nil {
		return err
	}
	if len(f.Series) > had {
		p.labels = p.labels[:p.first+len(labels)]
	} else {
		p.labels = p.labels[:p.first]
	}
	s.Timed = s.Timed || timed
	if f.Type == metric.Summary {
		return p.addToSummary(s, bound, value)
	}
	return p.addToHistogram(s, bound, value)
}

// specialLabel returns the label that belongs to the value in a family of the
// type, not to the label set.
func specialLabel(t metric.Type) string {
	switch {
	case t.IsHistogram():
		return metric.BucketLabel
	case t == metric.Summary:
		return metric.QuantileLabel
	}
	return ""
}

// cutSpecial removes the special label and returns its value, or NaN if there
// is none.
func (p *Parser) cutSpecial(labels []metric.Label, name string) ([]metric.Label, float64, error) {
	bound, kept := math.NaN(), labels[:0]
	for _, l := range labels {
		if l.Name != name {
			kept = append(kept, l)
			continue
		}
		var err error
		if bound, err = parseFloat(l.Value); err != nil {
			return nil, 0, p.syntaxError("expected a number as value of label %q, got %q%s", excerpt.Of(name), excerpt.Of(l.Value), boundAdvice(name))
		}
	}
	return kept, bound, nil
}

// findSeries returns the series of f with these labels, in any order, or a new
// one. Lines of one series are usually together, so it tries the last one
// first.
func (p *Parser) findSeries(f *family, labels []metric.Label) (*metric.Series, error) {
	n := len(f.Series)
	if n == 0 {
		return p.addSeries(f, labels)
	}
	if slices.Equal(f.Series[n-1].Labels, labels) {
		p.found = n - 1
		return &f.Series[n-1], nil
	}
	for f.bySet.used < n { // the first one, or all if none was searched for before
		if err := f.bySet.grow(p.memory.take); err != nil {
			return nil, err
		}
		f.bySet.add(p.hashSet(f.Series[f.bySet.used].Labels), f.bySet.used)
	}
	if err := f.bySet.grow(p.memory.take); err != nil {
		return nil, err
	}
	hash := p.hashSet(labels)
	if i := f.bySet.find(hash, func(i int) bool { return p.isSet(f.Series[i].Labels) }); i >= 0 {
		p.found = i
		return &f.Series[i], nil
	}
	f.bySet.add(hash, n)
	return p.addSeries(f, labels)
}

// hashSet returns a hash of a label set, and leaves what appendSet wrote in
// scratch.
func (p *Parser) hashSet(labels []metric.Label) uint64 {
	p.scratch = appendSet(p.scratch[:0], labels)
	return maphash.Bytes(seed, p.scratch)
}

// isSet reports whether labels are the set that hashSet saw last.
func (p *Parser) isSet(labels []metric.Label) bool {
	p.other = appendSet(p.other[:0], labels)
	return bytes.Equal(p.other, p.scratch)
}

// appendSet writes labels so that equal sets give equal bytes, whatever their
// order. Valid UTF-8 never contains the separator.
func appendSet(b []byte, labels []metric.Label) []byte {
	if !slices.IsSortedFunc(labels, compareLabels) {
		labels = slices.Clone(labels)
		slices.SortFunc(labels, compareLabels)
	}
	for _, l := range labels {
		b = append(b, l.Name...)
		b = append(b, 0xff)
		b = append(b, l.Value...)
		b = append(b, 0xff)
	}
	return b
}

func compareLabels(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) }

func (p *Parser) addToSummary(s *metric.Series, quantile, value float64) (err error) {
	if s.Summary == nil {
		if err := p.memory.take(summarySize); err != nil {
			return err
		}
		s.Summary = new(metric.Quantiles)
	}
	switch {
	case p.role == roleCount:
		s.Summary.Count = truncate(value)
	case p.role == roleSum:
		s.Summary.Sum = value
	case !math.IsNaN(quantile):
		if s.Summary.Quantiles, err = appendCounted(&p.memory, s.Summary.Quantiles, metric.Quantile{Quantile: quantile, Value: value}, quantileSize); err != nil {
			return err
		}
		return p.count(1)
	}
	return nil
}

func (p *Parser) addToHistogram(s *metric.Series, bound, value float64) (err error) {
	if s.Histogram == nil {
		if s.Histogram, err = p.newHistogram(); err != nil {
			return err
		}
	}
	count, ok := toCount(value)
	switch {
	case p.role == roleSum:
		s.Histogram.Sum = value
		return nil
	case p.role == roleCount && !ok, !math.IsNaN(bound) && !ok:
		return p.syntaxError("negative count %v in histogram %q", value, excerpt.Of(p.current.Name))
	case p.role == roleCount:
		if s.Histogram.Count == uncounted {
			s.Histogram.Count = metric.Count{}
		}
		setCount(&s.Histogram.Count, count)
		return nil
	case math.IsNaN(bound):
		return nil
	}
	if s.Histogram.Classic, err = appendCounted(&p.memory, s.Histogram.Classic, metric.Bucket{UpperBound: bound, Count: count}, bucketSize); err != nil {
		return err
	}
	return p.count(1)
}

// usualBuckets is how many buckets client libraries create by default.
const usualBuckets = 12

// newHistogram makes the value of the latest series of the current family, with
// room for as many buckets as the previous one has.
func (p *Parser) newHistogram() (*metric.Buckets, error) {
	n := usualBuckets
	if before := len(p.current.Series) - 2; before >= 0 && p.current.Series[before].Histogram != nil {
		n = len(p.current.Series[before].Histogram.Classic)
	}
	if err := p.memory.take(n * bucketSize); err != nil {
		return nil, err
	}
	if len(p.buckets) == cap(p.buckets) {
		more := min(max(1, 2*cap(p.buckets)), 1<<10)
		if err := p.memory.take(more * histogramSize); err != nil {
			return nil, err
		}
		p.buckets = make([]metric.Buckets, 0, more)
	}
	p.buckets = append(p.buckets, metric.Buckets{Count: p.newCount})
	h := &p.buckets[len(p.buckets)-1]
	if n > 0 {
		h.Classic = make([]metric.Bucket, 0, n)
	}
	return h, nil
}
