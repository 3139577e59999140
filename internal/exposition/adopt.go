package exposition

import (
	"bytes"
	"hash/maphash"
	"math"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/metric"
)

// Lines that this version of the renderer has stored are exposed as they are,
// since parsing and rendering them would take several times as long. They are
// checked all the same, since anybody may have written the file that they come
// from. An adopted line is byte for byte what rendering would make of it.
// Anything else is rendered.

// adopt returns the block of a stored family, or nil if it must be rendered.
func (r *StoredReader) adopt(family, text []byte) *Block {
	h := r.readHead(family)
	if h == nil || len(text) == 0 {
		return nil
	}
	a := &r.lines
	a.begin(h.name, h.typ, view(text))
	if !a.all() {
		return nil
	}
	return &Block{
		Name:      h.name,
		Help:      h.help,
		Unit:      h.unit,
		EmptyHelp: h.emptyHelp,
		Type:      h.typ,
		Legacy:    a.legacy,
		text:      bytes.Clone(text),
		proto:     a.proto,
		series:    int32(a.series),
	}
}

// readHead reads the next stored family without its series. It returns nil if the
// family must be rendered.
func (r *StoredReader) readHead(family []byte) *knownHead {
	i := r.read
	r.read++
	if known := r.heads.find(i, family); known != nil {
		return known
	}
	h, ok := readStoredHead(family)
	if !ok || h.renderer != rendererVersion || !h.isRendered() {
		return nil
	}
	return r.heads.keep(i, family, knownHead{nil, r.known.copyOf(h.Name), r.known.copyOf(h.Help), r.known.copyOf(h.Unit), h.EmptyHelp, h.Type})
}

// isRendered reports whether the name, the type and the help text are as
// rendering leaves them.
func (h *storedHead) isRendered() bool {
	return checkName(&h.Family) == nil && cleanUnit(&h.Family) == h.Unit && len(h.Help) <= StoredLimits().withDefaults().Help && utf8.ValidString(h.Help)
}

// adopter checks the lines of families, one family after the other.
type adopter struct {
	typ     metric.Type
	name    string // as at the beginning of a line
	quoted  bool   // the name is within the braces
	special string // name of the label
	longest int    // length of the longest line within the limits
	rest    string // lines not yet read

	set    labelSet       // of the present series
	labels []checkedLabel // of the present series
	sets   labelSets      // label sets of the family, by hash
	// rows are the label sets of the previous families. They are all different.
	// Most families of a group have the same ones. sets stays empty while each
	// series of the present family has the labels of the row at its place.
	rows []labelSet
	same bool

	series, proto int
	legacy        bool
}

// labelSet is a label set that is known to be as rendering writes it.
type labelSet struct {
	text   string // the part between the name and the value, or the special label
	hash   uint64
	size   int // in protobuf
	legacy bool
}

// checkedLabel is a label that is known to be as rendering writes it.
type checkedLabel struct {
	text, name string
	size       int // in protobuf
	legacy     bool
}

func (a *adopter) begin(name string, t metric.Type, text string) {
	a.typ, a.rest, a.special, a.longest = t, text, specialLabel(t), StoredLimits().least()
	a.name, a.quoted = name, !metric.IsLegacyName(name)
	if a.quoted {
		a.name = "{" + string(appendName(nil, name, false))
	}
	a.sets.reset()
	a.labels, a.same = a.labels[:0], true
	a.series, a.proto, a.legacy = 0, 0, !a.quoted
}

// forget drops references to the lines of families.
func (a *adopter) forget() {
	clear(a.rows[:cap(a.rows)])
	clear(a.labels[:cap(a.labels)])
	*a = adopter{rows: a.rows[:0], labels: a.labels[:0], sets: a.sets}
}

// all checks all lines.
func (a *adopter) all() bool {
	if a.special == "" {
		return a.numbers()
	}
	if a.quoted {
		return false
	}
	for len(a.rest) > 0 {
		look := a.histogram
		if a.typ == metric.Summary {
			look = a.summary
		}
		parts, ok := look()
		if !ok {
			return false
		}
		a.count(specialSize(a.typ, parts))
	}
	return true
}

// count counts the present series, whose value has this size in protobuf.
func (a *adopter) count(value int) {
	a.series++
	a.proto += sizeBytes(a.set.size + value)
	a.legacy = a.legacy && a.set.legacy
}

// numbers checks series of a single line.
func (a *adopter) numbers() bool {
	ok := a.eachNumber()
	if !a.same { // the other rows may be equal to these
		a.rows = a.rows[:min(a.series, len(a.rows))]
	}
	return ok
}

func (a *adopter) eachNumber() bool {
	for len(a.rest) > 0 {
		if !a.knownRow() && !a.newRow() {
			return false
		}
		a.count(plainValueSize)
	}
	return true
}

// knownRow reads a line with the labels that the previous family has at this
// place.
func (a *adopter) knownRow() bool {
	if a.series >= len(a.rows) || !a.same {
		return false
	}
	row := &a.rows[a.series]
	line, ok := strings.CutPrefix(a.rest, a.name)
	if !ok {
		return false
	}
	if line, ok = strings.CutPrefix(line, row.text); !ok {
		return false
	}
	size := renderedSize(line)
	if size < 0 || len(a.name)+len(row.text)+size > a.longest {
		return false
	}
	a.set, a.rest = *row, line[size+1:]
	return true
}

// newRow reads a line with any labels.
func (a *adopter) newRow() bool {
	if a.same {
		a.same = false
		for _, row := range a.rows[:a.series] {
			_, _ = a.sets.add(row.hash, len(a.rows), unlimited)
		}
	}
	line, ok := a.line("")
	if !ok {
		return false
	}
	rest, ok := a.newSet(line)
	if !ok {
		return false
	}
	value, ok := a.closed(rest)
	if !ok || !isRendered(value) {
		return false
	}
	row := a.set
	row.text = line[:len(line)-len(value)]
	switch {
	case a.series < len(a.rows):
		a.rows[a.series] = row
	case a.series < maxRows:
		a.rows = append(a.rows, row)
	}
	return true
}

// unlimited takes from no budget, since what is stored was within its budget.
func unlimited(int) error { return nil }

// line reads the next line, which must begin with the name and this suffix, and
// returns the rest of it.
func (a *adopter) line(suffix string) (string, bool) {
	end := strings.IndexByte(a.rest, '\n')
	if end < 0 || end > a.longest {
		return "", false
	}
	line, ok := strings.CutPrefix(a.rest[:end], a.name)
	if !ok {
		return "", false
	}
	a.rest = a.rest[end+1:]
	return strings.CutPrefix(line, suffix)
}

// histogram checks the lines of one histogram and returns the number of its
// buckets. The last bucket is +Inf.
func (a *adopter) histogram() (buckets int, ok bool) {
	last, count := math.Inf(-1), uint64(0)
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
	return buckets, ok && growTo(&all, counted) && all == count && isRendered(counted)
}

// summary checks the lines of one summary and returns the number of its
// quantiles.
func (a *adopter) summary() (quantiles int, ok bool) {
	for strings.HasPrefix(a.rest, a.name) && strings.HasPrefix(a.rest[len(a.name):], "{") {
		quantile, value, ok := a.part("", quantiles == 0)
		if !ok || math.IsNaN(quantile) || !isRendered(value) {
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
	return quantiles, ok && growTo(&all, count) && isRendered(count)
}

// part reads the line of a bucket or quantile.
func (a *adopter) part(suffix string, first bool) (bound float64, value string, ok bool) {
	line, ok := a.inSet(suffix, first)
	if !ok || len(line) == 0 || line[0] != a.separator() {
		return 0, "", false
	}
	if line, ok = strings.CutPrefix(line[1:], a.special); !ok {
		return 0, "", false
	}
	if line, ok = strings.CutPrefix(line, `="`); !ok {
		return 0, "", false
	}
	text, value, ok := strings.Cut(line, `"} `)
	if !ok || !isRendered(text) {
		return 0, "", false
	}
	bound, err := parseFloat(text)
	return bound, value, err == nil
}

// total reads the line of a sum or a count.
func (a *adopter) total(suffix string, first bool) (value string, ok bool) {
	line, ok := a.inSet(suffix, first)
	if !ok {
		return "", false
	}
	return a.closed(line)
}

// inSet reads a line and returns what follows its labels. The line is the first
// of its series, or has the same labels as the previous line.
func (a *adopter) inSet(suffix string, first bool) (rest string, ok bool) {
	line, ok := a.line(suffix)
	if !ok {
		return "", false
	}
	if first {
		return a.newSet(line)
	}
	return strings.CutPrefix(line, a.set.text)
}

// separator is what precedes another label.
func (a *adopter) separator() byte {
	if len(a.labels) > 0 || a.quoted {
		return ','
	}
	return '{'
}

// closed removes the end of the labels and returns the value.
func (a *adopter) closed(line string) (value string, ok bool) {
	if len(a.labels) > 0 || a.quoted {
		return strings.CutPrefix(line, "} ")
	}
	return strings.CutPrefix(line, " ")
}

// newSet reads the labels of a series and returns what follows them. They must
// differ from those of all earlier series.
func (a *adopter) newSet(line string) (rest string, ok bool) {
	if rest, ok = a.readSet(line); !ok {
		return "", false
	}
	a.set.text = line[:len(line)-len(rest)]
	a.set.hash = maphash.String(seed, a.set.text)
	added, _ := a.sets.add(a.set.hash, a.series+1, unlimited)
	return rest, added
}

// readSet reads labels. Usually most of them are those of the previous series.
func (a *adopter) readSet(line string) (rest string, ok bool) {
	known := a.labels
	a.labels, a.set = known[:0], labelSet{legacy: true}
	moved := false // a name differs from that of the previous series
	for len(line) > 0 && line[0] == a.separator() {
		n := len(a.labels)
		if n < len(known) && strings.HasPrefix(line[1:], known[n].text) {
			line = line[1+len(known[n].text):]
			a.labels = known[:n+1]
		} else {
			l, rest, ok := readRendered(line[1:])
			if !ok {
				return "", false
			}
			if l.name == a.special && a.special != "" {
				break
			}
			moved = moved || n >= len(known) || l.name != known[n].name
			line, a.labels = rest, append(a.labels, l)
		}
		l := &a.labels[n]
		if moved && n > 0 && a.labels[n-1].name >= l.name {
			return "", false
		}
		a.set.size += l.size
		a.set.legacy = a.set.legacy && l.legacy
	}
	return line, true
}

// readRendered reads a label that is written as rendering writes it.
func readRendered(s string) (l checkedLabel, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		if l.name, rest, ok = cutRendered(s); !ok || metric.IsLegacyLabel(l.name) || !metric.IsName(l.name) {
			return l, "", false
		}
	} else {
		end := strings.IndexByte(s, '=')
		if end < 0 || !metric.IsLegacyLabel(s[:end]) {
			return l, "", false
		}
		l.name, rest, l.legacy = s[:end], s[end:], true
	}
	if strings.HasPrefix(l.name, metric.ReservedLabelPrefix) || !strings.HasPrefix(rest, `="`) {
		return l, "", false
	}
	value, rest, ok := cutRendered(rest[1:])
	if !ok {
		return l, "", false
	}
	l.text, l.size = s[:len(s)-len(rest)], sizeLabelPair(l.name, value)
	return l, rest, true
}

// cutRendered removes a quoted text from the beginning of s.
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

// isRendered reports whether a number is written as rendering writes it, and text
// can express it.
func isRendered(value string) bool {
	if isShortest(value) || isPower(value) {
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

// isPower is like isShortest, for numbers from 1e6 to 1e99 that are written like
// 1.76e+09.
func isPower(value string) bool {
	const (
		tail = len("e+06")
		most = 15 // digits that a float64 always holds
	)
	n := len(value) - tail
	if n < 1 || n > most+1 || value[n:n+2] != "e+" || value[0] == '0' || value[n+2] == '0' && value[n+3] < '6' {
		return false
	}
	for i := 0; i < len(value); i++ {
		digit := value[i]-'0' <= 9
		if other := i == 1 && n > 2 || i == n || i == n+1; digit == other {
			return false
		}
	}
	return n == 1 || value[1] == '.' && value[n-1] != '0'
}
