package exposition

import (
	"bytes"
	"hash/maphash"
	"math"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/metric"
)

// Lines that this version of the renderer has stored are exposed as they are. To
// read them and write them again would take four times as long. They are looked
// through all the same, since anybody may have written the file that they come
// from: what is adopted is what rendering would have made, byte for byte, or
// else it is not adopted.

// adopt gives the block of a stored family, nil if it must be rendered.
func adopt(family, text []byte) *Block {
	h, ok := readStoredHead(family)
	if !ok || h.renderer != rendererVersion || !h.isRendered() || len(text) == 0 {
		return nil
	}
	r := renderers.Get().(*renderer)
	defer r.release()
	a := adopter{r: r, family: &h.Family, rest: view(text), labels: r.checked[:0]}
	if ok = a.all(); !ok {
		return nil
	}
	return &Block{
		Name:      r.intern(h.Name),
		Help:      r.intern(h.Help),
		EmptyHelp: h.EmptyHelp,
		Type:      h.Type,
		Legacy:    a.legacy,
		text:      bytes.Clone(text),
		proto:     a.proto,
		series:    a.series,
	}
}

// isRendered tells whether the name, the type and the help text are such as
// blocks have.
func (h *storedHead) isRendered() bool {
	return checkName(&h.Family) == nil && len(h.Help) <= defaultHelp && utf8.ValidString(h.Help)
}

// adopter looks through the lines of one family.
type adopter struct {
	r       *renderer // has the table of label sets
	family  *metric.Family
	name    string // as lines begin with it
	quoted  bool   // the name stands within the braces
	special string // label
	longest int    // line that may break no limit
	rest    string // lines that are left

	labels []checkedLabel // of the line before
	own    int            // how many of them the line at hand has
	size   int            // of these in protobuf
	set    string         // these as they stand there, from the brace or the comma on

	series, proto int
	legacy        bool
}

// checkedLabel is a label of which the text is known to be as it is rendered.
type checkedLabel struct {
	text, name string
	size       int // in protobuf
	legacy     bool
}

// all looks through all lines.
func (a *adopter) all() bool {
	a.r.forgetSeries()
	defer func() { a.r.checked = a.labels }()
	a.special, a.longest = specialLabel(a.family.Type), StoredLimits().least()
	a.legacy = metric.IsLegacyName(a.family.Name)
	a.quoted = !a.legacy
	if a.name = a.family.Name; a.quoted {
		a.name = "{" + string(appendName(nil, a.family.Name, false))
	}
	if a.quoted && a.special != "" {
		return false
	}
	for len(a.rest) > 0 {
		value, ok := a.next()
		if !ok {
			return false
		}
		a.series++
		a.proto += sizeBytes(a.size + value)
	}
	return true
}

// next looks at the lines of one series. It gives the size of its value in
// protobuf.
func (a *adopter) next() (value int, ok bool) {
	switch {
	case a.family.Type == metric.Summary:
		return a.summary()
	case a.family.Type.IsHistogram():
		return a.histogram()
	}
	return a.number()
}

// line takes the next line, which must begin with the name and a suffix, and
// gives what follows these.
func (a *adopter) line(suffix string) (string, bool) {
	end := strings.IndexByte(a.rest, '\n')
	if end < 0 || end > a.longest {
		return "", false
	}
	line := a.rest[:end]
	a.rest = a.rest[end+1:]
	line, ok := strings.CutPrefix(line, a.name)
	if !ok {
		return "", false
	}
	return strings.CutPrefix(line, suffix)
}

// number looks at a series that is a single line.
func (a *adopter) number() (value int, ok bool) {
	text, ok := a.total("", true)
	return plainValueSize, ok && isRendered(text)
}

// histogram looks at the lines of one histogram. Each has a bucket for all
// observations.
func (a *adopter) histogram() (value int, ok bool) {
	last, count, buckets := math.Inf(-1), uint64(0), 0
	for ; !isInf(last); buckets++ {
		bound, counted, ok := a.part(metric.BucketSuffix, buckets == 0)
		if !ok || !(bound > last) || !growTo(&count, counted) || !isRendered(counted) {
			return 0, false
		}
		last = bound
	}
	sum, ok := a.total(metric.SumSuffix, false)
	if !ok || !isRendered(sum) {
		return 0, false
	}
	all := count
	counted, ok := a.total(metric.CountSuffix, false)
	return specialSize(a.family.Type, buckets), ok && growTo(&all, counted) && all == count && isRendered(counted)
}

// summary looks at the lines of one summary.
func (a *adopter) summary() (value int, ok bool) {
	quantiles := 0
	for strings.HasPrefix(a.rest, a.name) && strings.HasPrefix(a.rest[len(a.name):], "{") {
		quantile, text, ok := a.part("", quantiles == 0)
		if !ok || math.IsNaN(quantile) || !isRendered(text) {
			return 0, false
		}
		quantiles++
	}
	sum, ok := a.total(metric.SumSuffix, quantiles == 0)
	if !ok || !isRendered(sum) {
		return 0, false
	}
	all := uint64(0)
	count, ok := a.total(metric.CountSuffix, false)
	return specialSize(a.family.Type, quantiles), ok && growTo(&all, count) && isRendered(count)
}

// part takes the line of a bucket or quantile.
func (a *adopter) part(suffix string, first bool) (bound float64, value string, ok bool) {
	line, ok := a.inSet(suffix, first)
	if !ok || len(line) < len(a.special)+3 || line[0] != a.separator() || line[1:1+len(a.special)] != a.special {
		return 0, "", false
	}
	line, ok = strings.CutPrefix(line[1+len(a.special):], `="`)
	if !ok {
		return 0, "", false
	}
	text, value, ok := strings.Cut(line, `"} `)
	if !ok || !isRendered(text) {
		return 0, "", false
	}
	bound, err := parseFloat(text)
	return bound, value, err == nil
}

// total takes the line of a sum or a count.
func (a *adopter) total(suffix string, first bool) (value string, ok bool) {
	line, ok := a.inSet(suffix, first)
	if !ok {
		return "", false
	}
	return a.closed(line)
}

// inSet takes a line, and gives what follows its labels. It is the first of its
// series, or has the same labels as the line before.
func (a *adopter) inSet(suffix string, first bool) (rest string, ok bool) {
	line, ok := a.line(suffix)
	if !ok {
		return "", false
	}
	if first {
		return a.newSet(line)
	}
	return strings.CutPrefix(line, a.set)
}

// separator is what comes before another label.
func (a *adopter) separator() byte {
	if a.own > 0 || a.quoted {
		return ','
	}
	return '{'
}

// closed takes off what ends the labels, and gives the value.
func (a *adopter) closed(line string) (value string, ok bool) {
	if a.own > 0 || a.quoted {
		return strings.CutPrefix(line, "} ")
	}
	return strings.CutPrefix(line, " ")
}

// newSet reads the labels of a series, which must be different from those of all
// series before. It gives what follows them.
func (a *adopter) newSet(line string) (rest string, ok bool) {
	rest, ok = a.readSet(line)
	if !ok {
		return "", false
	}
	a.set = line[:len(line)-len(rest)]
	a.r.labels.hash = maphash.String(seed, a.set)
	twice, err := a.r.isDuplicate(a.series + 1)
	return rest, err == nil && !twice
}

// readSet reads labels, most of which are those of the line before.
func (a *adopter) readSet(line string) (rest string, ok bool) {
	a.own, a.size = 0, 0
	moved := false // names have been others since the line before
	for len(line) > 0 && line[0] == a.separator() {
		n, known := a.own, a.own < len(a.labels)
		if known && strings.HasPrefix(line[1:], a.labels[n].text) {
			line = line[1+len(a.labels[n].text):]
		} else {
			l, rest, ok := readRendered(line[1:])
			if !ok {
				return "", false
			}
			if l.name == a.special && a.special != "" {
				break
			}
			moved = moved || !known || l.name != a.labels[n].name
			if line = rest; known {
				a.labels[n] = l
			} else {
				a.labels = append(a.labels, l)
			}
		}
		l := &a.labels[n]
		if moved && n > 0 && a.labels[n-1].name >= l.name {
			return "", false
		}
		a.legacy = a.legacy && l.legacy
		a.size += l.size
		a.own++
	}
	a.labels = a.labels[:a.own]
	return line, true
}

// readRendered reads a label that is written as it is rendered.
func readRendered(s string) (l checkedLabel, rest string, ok bool) {
	name, rest := s, ""
	if strings.HasPrefix(s, `"`) {
		if name, rest, ok = cutRendered(s); !ok || metric.IsLegacyLabel(name) || !metric.IsName(name) {
			return l, "", false
		}
	} else {
		end := strings.IndexByte(s, '=')
		if end < 0 || !metric.IsLegacyLabel(s[:end]) {
			return l, "", false
		}
		name, rest, l.legacy = s[:end], s[end:], true
	}
	if strings.HasPrefix(name, metric.ReservedLabelPrefix) || !strings.HasPrefix(rest, `="`) {
		return l, "", false
	}
	value, rest, ok := cutRendered(rest[1:])
	if !ok {
		return l, "", false
	}
	l.text, l.name, l.size = s[:len(s)-len(rest)], name, sizeLabelPair(name, value)
	return l, rest, true
}

// cutRendered takes a text in quotes off s.
func cutRendered(s string) (content, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	end, escaped := closingQuote(s, 1)
	if end < 0 || !utf8.ValidString(s[1:end]) {
		return "", "", false
	}
	content, rest = s[1:end], s[end+1:]
	if !escaped {
		return content, rest, true
	}
	written := content
	content = unescapes.Replace(written)
	return content, rest, string(appendEscaped(nil, content, true)) == written
}

// isRendered tells whether a number is written as it is rendered, and survives
// that.
func isRendered(value string) bool {
	if isShortest(value) {
		return true
	}
	const longest = 32
	v, err := parseFloat(value)
	if err != nil || !survivesText(v) {
		return false
	}
	var room [longest]byte
	return string(appendFloat(room[:0], v)) == value
}
