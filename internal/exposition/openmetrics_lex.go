package exposition

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// openLabels is the labels part of a line that is being parsed: those of a
// series, or those of an exemplar, which have no name among them.
type openLabels struct {
	named bool             // the name of the metric may be among them
	found bool             // it was
	of    *metric.Exemplar // that they belong to; nil for those of a series
}

// parseOpenSample parses a line with a value. It has exactly one space between
// its parts.
func (p *Parser) parseOpenSample(line string) error {
	p.first = len(p.labels)
	labels, i, err := p.parseOpenSeries(line)
	if err != nil {
		return err
	}
	if len(line) > p.short && !p.trusted {
		if err := p.limits.checkLine(p.lastName, labels); err != nil {
			return atLine(p.line, err)
		}
	}
	value, rest, err := p.openValue(line, i)
	if err != nil {
		return err
	}
	after, timed, err := p.openTimestamp(rest)
	if err != nil {
		return err
	}
	e, err := p.openExemplar(after)
	if err != nil {
		return err
	}
	if p.role == roleCreated {
		return p.addCreated(labels, line[i+1:len(line)-len(rest)], timed, e)
	}
	p.timed = p.timed || timed
	return p.addOpenSample(labels, value, timed, e)
}

// openValue parses the value at line[i:], and returns what follows it.
func (p *Parser) openValue(line string, i int) (value float64, rest string, err error) {
	rest = line[i:]
	if rest != "" && !isBlank(rest[0]) {
		return 0, "", p.noValue(line, i, untilBlank(rest), errNotDecimal)
	}
	text := untilBlank(strings.TrimPrefix(rest, " "))
	if text == "" {
		return 0, "", p.syntaxError("expected a number as value, found %s; write one space and the value", found(strings.TrimPrefix(rest, " ")))
	}
	if value, err = parseFloat(text); err != nil {
		return 0, "", p.noValue(line, i+1, text, err)
	}
	return value, line[i+1+len(text):], nil
}

// startsExemplar is what an exemplar begins with.
const startsExemplar = " # {"

// openTimestamp parses a timestamp, if there is one, and returns what follows
// it.
func (p *Parser) openTimestamp(rest string) (after string, timed bool, err error) {
	if rest == "" || strings.HasPrefix(rest, startsExemplar) {
		return rest, false, nil
	}
	text := untilBlank(rest[1:])
	if _, err := finite(text); err != nil || rest[0] != ' ' {
		return "", false, p.noOpenTimestamp(rest)
	}
	return rest[1+len(text):], true, nil
}

// noOpenTimestamp refuses what follows a value.
func (p *Parser) noOpenTimestamp(rest string) error {
	const expected = "expected the end of the line, a timestamp or an exemplar after the value"
	switch text := strings.TrimRight(rest, " \t"); {
	case text == "":
		return p.syntaxError("found spaces at the end of the line; remove them")
	case strings.HasPrefix(strings.TrimLeft(text, " \t"), "#"):
		return p.syntaxError("%s, found %q; an exemplar is written as in x_total 1 # {trace_id=\"…\"} 1", expected, excerpt.Of(rest))
	}
	return p.syntaxError("%s, found %q%s", expected, excerpt.Of(rest), p.restAdvice(strings.TrimLeft(rest, " \t")))
}

// openExemplar parses what follows the value and timestamp.
func (p *Parser) openExemplar(rest string) (*metric.Exemplar, error) {
	if rest == "" {
		return nil, nil
	}
	if !strings.HasPrefix(rest, startsExemplar) {
		return nil, p.noOpenTimestamp(rest)
	}
	if err := p.memory.take(exemplarSize); err != nil {
		return nil, err
	}
	e := new(metric.Exemplar)
	next, err := p.readOpenLabels(rest, len(startsExemplar), &openLabels{of: e})
	if err != nil {
		return nil, err
	}
	if e.Value, rest, err = p.openValue(rest, next); err != nil || rest == "" {
		return e, err
	}
	if rest[0] != ' ' {
		return nil, p.noOpenTimestamp(rest)
	}
	at, err := parseUnix(rest[1:])
	if err != nil {
		return nil, p.syntaxError("expected the time of the exemplar in Unix seconds, got %q: %v", excerpt.Of(rest[1:]), err)
	}
	e.Time = &at
	return e, nil
}

func (p *Parser) addToExemplar(e *metric.Exemplar, l metric.Label) (err error) {
	if len(e.Labels) >= p.limits.LabelCount && !p.trusted {
		return p.limits.tooManyLabels(p.lastName)
	}
	if e.Labels, err = appendCounted(&p.memory, e.Labels, l, labelSize); err != nil {
		return err
	}
	return p.count(1)
}

// parseOpenSeries parses what precedes the value.
func (p *Parser) parseOpenSeries(line string) (labels []metric.Label, i int, err error) {
	if strings.HasPrefix(line, "{") {
		p.lastSet = ""
		return p.parseOpenLabels(line, 1, true)
	}
	name, i, err := p.readOpenSampleName(line)
	if err != nil {
		return nil, 0, err
	}
	if err := p.enterOpenSample(name); err != nil {
		return nil, 0, err
	}
	if i == len(line) || line[i] != '{' {
		p.lastSet = ""
		return nil, i, nil
	}
	if p.role == roleCreated && p.lastSet != "" && strings.HasPrefix(line[i:], p.lastSet) {
		return p.current.Series[p.found].Labels, i + len(p.lastSet), nil
	}
	if labels, next, ok := p.recallOpen(line, i); ok {
		return labels, next, p.count(len(labels))
	}
	labels, next, err := p.parseOpenLabels(line, i+1, false)
	if err == nil {
		p.remember(line[i:next], labels)
	}
	return labels, next, err
}

// recallOpen is recallLabels for the present line, if its labels stay as they
// are.
func (p *Parser) recallOpen(line string, i int) (labels []metric.Label, next int, ok bool) {
	if !p.keepsLabels() || p.row >= len(p.rows) {
		return nil, 0, false
	}
	known := &p.rows[p.row]
	if !strings.HasPrefix(line[i:], known.text) {
		return nil, 0, false
	}
	p.row++
	p.lastSet = known.text
	return known.labels, i + len(known.text), true
}

// remember notes the labels of a line for the next line, and for the next
// family.
func (p *Parser) remember(text string, labels []metric.Label) {
	p.lastSet = text
	if !p.keepsLabels() {
		return
	}
	switch now := (labelText{text, labels}); {
	case p.row < len(p.rows):
		p.rows[p.row] = now
	case p.row < maxRows:
		p.rows = append(p.rows, now)
	}
	p.row++
}

// keepsLabels reports whether the labels of the present line become those of a
// series.
func (p *Parser) keepsLabels() bool {
	return p.role == roleSample && specialLabel(p.current.Type) == "" && p.current.started == 0
}

// readOpenSampleName reads the name that a line begins with.
func (p *Parser) readOpenSampleName(line string) (string, int, error) {
	n := len(p.bareName)
	if n > 0 && n < len(line) && line[n] != '"' && byteClass[line[n]]&(isNameByte|isDigitByte) == 0 && line[:n] == p.bareName {
		return p.bareName, n, nil
	}
	if strings.HasPrefix(line, `"`) {
		return "", 0, p.syntaxError("a quoted name is within the braces, as in {\"my.metric\"} 1")
	}
	name, i, err := p.openName(line, 0, isNameByte)
	if err == nil && i == 0 {
		return "", 0, p.noOpenName(line)
	}
	p.bareName = name
	return name, i, err
}

// noOpenName refuses a line that does not begin with a name.
func (p *Parser) noOpenName(line string) error {
	if blank := strings.Trim(line, " \t\r") == ""; blank {
		return p.syntaxError("found an empty line, which OpenMetrics does not have; remove it")
	}
	if isBlank(line[0]) {
		return p.syntaxError("the line begins with %s; OpenMetrics has none there", found(line))
	}
	return p.noName(line)
}

// openName reads a name at line[i:], which may be quoted. It returns i if no
// name starts there.
func (p *Parser) openName(line string, i int, start uint8) (name string, end int, err error) {
	switch {
	case i == len(line) || byteClass[line[i]]&start == 0:
		return "", i, nil
	case line[i] == '"':
		return p.openQuoted(line, i, "")
	}
	for end = i; end < len(line) && line[end] != '"' && byteClass[line[end]]&(start|isDigitByte) != 0; end++ {
	}
	return line[i:end], end, nil
}

// openQuoted reads what is in quotes at line[i:]: the value of a label, or else a
// name.
func (p *Parser) openQuoted(line string, i int, label string) (content string, end int, err error) {
	end, escaped := closingQuote(line, i+1)
	switch {
	case end < 0 && label == "":
		return "", 0, p.syntaxError("the name %q has no closing quote on its line", excerpt.Of(line[i:]))
	case end < 0:
		return "", 0, p.syntaxError("the value of label %q has no closing quote on its line; write a newline in a value as \\n", excerpt.Of(label))
	}
	content = line[i+1 : end]
	if escaped {
		content, err = p.unescapeOpen(content)
	}
	return content, end + 1, err
}

// unescapeOpen undoes \\, \n and \". A backslash before anything else stays.
func (p *Parser) unescapeOpen(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	if err := p.memory.take(2 * len(s)); err != nil {
		return "", err
	}
	return unescapes.Replace(s), nil
}

// parseOpenLabels parses the labels of a series up to the closing brace.
func (p *Parser) parseOpenLabels(line string, i int, named bool) (labels []metric.Label, next int, err error) {
	set := openLabels{named: named}
	if next, err = p.readOpenLabels(line, i, &set); err != nil {
		return nil, 0, err
	}
	if named && !set.found {
		return nil, 0, p.syntaxError("no metric name in %q; put it before the brace", excerpt.Of(line))
	}
	labels = p.labels[p.first:len(p.labels):len(p.labels)]
	if err := p.checkDuplicates(labels); err != nil {
		return nil, 0, err
	}
	return labels, next, p.count(len(labels))
}

// addLabel appends to the labels of the present series, or of an exemplar.
func (p *Parser) addLabel(set *openLabels, l metric.Label) error {
	if set.of != nil {
		return p.addToExemplar(set.of, l)
	}
	if len(p.labels)-p.first >= p.mostLabels() && !p.trusted {
		return p.limits.tooManyLabels(p.lastName)
	}
	if err := p.room(); err != nil {
		return err
	}
	p.labels = append(p.labels, l)
	return nil
}

// readOpenLabels reads labels up to the closing brace. There are no spaces among
// them.
func (p *Parser) readOpenLabels(line string, i int, set *openLabels) (next int, err error) {
	for i == len(line) || line[i] != '}' {
		name, end, err := p.openName(line, i, isLabelByte)
		if err != nil {
			return 0, err
		}
		if end == i {
			return 0, p.noOpenLabel(line[i:])
		}
		isValue := end < len(line) && line[end] == '='
		if isValue {
			i, err = p.openLabelValue(line, end+1, name, set)
		} else {
			i, err = end, p.openMetricName(line, i, end, name, set)
		}
		if err != nil {
			return 0, err
		}
		if i < len(line) && line[i] == ',' {
			i++
			continue
		}
		if i == len(line) || line[i] != '}' {
			return 0, p.noComma(name, line[i:], isValue)
		}
	}
	return i + 1, nil
}

// openMetricName takes the quoted name at line[i:end] for that of the metric.
func (p *Parser) openMetricName(line string, i, end int, name string, set *openLabels) error {
	if line[i] != '"' || !set.named || set.found {
		return p.noEquals(name, "", line[end:])
	}
	set.found = true
	return p.enterOpenSample(name)
}

func (p *Parser) noOpenLabel(rest string) error {
	if rest != "" && isBlank(rest[0]) {
		return p.syntaxError("expected a label name or '}', found %s; OpenMetrics has no spaces within braces", found(rest))
	}
	return p.noLabel(rest)
}

// openLabelValue parses the value of a label.
func (p *Parser) openLabelValue(line string, i int, name string, set *openLabels) (next int, err error) {
	switch {
	case name == metric.NameLabel:
		return 0, p.syntaxError("label name %q is reserved; put the metric name before the brace", metric.NameLabel)
	case p.LegacyNames && !metric.IsLegacyLabel(name):
		return 0, p.needsUTF8("label name", name, metric.EscapeLabel(name, metric.Underscores))
	case !utf8.ValidString(name):
		return 0, p.syntaxError("label name %q is not valid UTF-8", excerpt.Of(name))
	case i == len(line) || line[i] != '"':
		return 0, p.noQuote(name, line[i:])
	}
	value, next, err := p.openQuoted(line, i, name)
	if err != nil {
		return 0, err
	}
	if !utf8.ValidString(value) {
		return 0, p.syntaxError("the value %q of label %q is not valid UTF-8; write the text as UTF-8", excerpt.Of(value), excerpt.Of(name))
	}
	return next, p.addLabel(set, metric.Label{Name: name, Value: value})
}

// addCreated adds a line with a start time.
func (p *Parser) addCreated(labels []metric.Label, text string, timed bool, e *metric.Exemplar) error {
	if e != nil {
		return p.noExemplar()
	}
	if err := p.setCreated(labels, text); err != nil {
		return err
	}
	s := &p.current.Series[p.found]
	s.Timed = s.Timed || timed
	return nil
}

// addOpenSample stores a value.
func (p *Parser) addOpenSample(labels []metric.Label, value float64, timed bool, e *metric.Exemplar) error {
	f := p.current
	special := specialLabel(f.Type)
	if special == "" {
		s, err := p.findSample(f, labels)
		if err != nil {
			return err
		}
		s.Value, s.Timed, s.Missing = value, s.Timed || timed, false
		return p.keepExemplar(&s.Exemplar, e, f.Type == metric.Counter)
	}
	if p.role == roleSample && !hasLabel(labels, special) {
		return p.syntaxError("the line %q has no label %q; add it", excerpt.Of(p.lastName), special)
	}
	if err := p.addSample(labels, value, timed); err != nil {
		return err
	}
	s := &f.Series[p.found]
	s.Missing = false
	if p.role != roleSample || s.Histogram == nil || len(s.Histogram.Classic) == 0 {
		return p.keepExemplar(nil, e, false)
	}
	return p.keepExemplar(&s.Histogram.Classic[len(s.Histogram.Classic)-1].Exemplar, e, true)
}

func hasLabel(labels []metric.Label, name string) bool {
	for i := range labels {
		if labels[i].Name == name {
			return true
		}
	}
	return false
}

// keepExemplar keeps an exemplar where the line can have one.
func (p *Parser) keepExemplar(at **metric.Exemplar, e *metric.Exemplar, can bool) error {
	switch {
	case e == nil:
		return nil
	case !can:
		return p.noExemplar()
	}
	*at = e
	return nil
}

func (p *Parser) noExemplar() error {
	return p.syntaxError("the line %q has an exemplar, but only counters and buckets of histograms can have one; leave it out", excerpt.Of(p.lastName))
}

// Times are those that protobuf can hold: from the year 1 to 9999.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

var errNotTime = errors.New("it is not a time between the years 1 and 9999")

// finite parses a number that is neither NaN nor infinite.
func finite(text string) (float64, error) {
	v, err := parseFloat(text)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = errNotTime
	}
	return v, err
}

// parseUnix parses Unix seconds. Decimals are kept as they are written, which a
// float64 could not.
func parseUnix(text string) (t metric.Timestamp, err error) {
	if t, ok := decimalUnix(text); ok && t.Seconds <= lastSecond {
		return t, nil
	}
	v, err := finite(text)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange) && !errors.Is(err, errNotTime):
		return t, errNotDecimal
	case err != nil, v < firstSecond, v > lastSecond:
		return t, errNotTime
	}
	seconds := math.Floor(v)
	nanos := math.Round((v - seconds) * 1e9)
	if nanos >= 1e9 {
		seconds, nanos = seconds+1, 0
	}
	return metric.Timestamp{Seconds: int64(seconds), Nanos: int32(nanos)}, nil
}

// decimalUnix parses digits, possibly with a point among them.
func decimalUnix(text string) (t metric.Timestamp, ok bool) {
	const digits = 9 // of nanoseconds
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseUint(whole, 10, 62)
	if err != nil || len(fraction) > digits {
		return t, false
	}
	nanos := uint64(0)
	if fraction != "" {
		if nanos, err = strconv.ParseUint(fraction, 10, 31); err != nil {
			return t, false
		}
	}
	for range digits - len(fraction) {
		nanos *= 10
	}
	return metric.Timestamp{Seconds: int64(seconds), Nanos: int32(nanos)}, true
}

// appendUnix is the reverse of parseUnix.
func appendUnix(b []byte, t metric.Timestamp) []byte {
	if t.Seconds < 0 || t.Nanos < 0 || t.Nanos >= 1e9 { // a sign would be that of both parts
		return strconv.AppendFloat(b, float64(t.Seconds)+float64(t.Nanos)/1e9, 'f', -1, 64)
	}
	b = strconv.AppendInt(b, t.Seconds, 10)
	if t.Nanos == 0 {
		return b
	}
	nanos := strconv.AppendInt(nil, 1e9+int64(t.Nanos), 10)
	return append(append(b, '.'), strings.TrimRight(view(nanos[1:]), "0")...)
}
