package exposition

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"pushgateway/internal/metric"
)

// Most families are plain: their text expresses everything. Their blocks hold
// nothing else, and protobuf is made from the text on demand.

// isPlainFamily reports whether protobuf made from the family's text would be
// the same as protobuf made from the family. That is not so for summaries and
// histograms with unusual names or values.
func isPlainFamily(f *metric.Family) bool {
	if specialLabel(f.Type) != "" && !metric.IsLegacyName(f.Name) {
		return false
	}
	for i := range f.Series {
		if !isPlain(f.Type, &f.Series[i]) || f.Type.IsHistogram() && isOpen(&f.Series[i]) != isOpen(&f.Series[0]) {
			return false
		}
	}
	return true
}

// isOpenFamily reports whether the text of a plain family has buckets that were
// not pushed.
func isOpenFamily(f *metric.Family) bool {
	return f.Type.IsHistogram() && len(f.Series) > 0 && isOpen(&f.Series[0])
}

// isOpen reports whether a plain histogram lacks the +Inf bucket.
func isOpen(s *metric.Series) bool {
	n := len(s.Histogram.Classic)
	return n == 0 || !isInf(s.Histogram.Classic[n-1].UpperBound)
}

func isPlain(t metric.Type, s *metric.Series) bool {
	switch {
	case s.Created != nil || s.Exemplar != nil || s.Missing:
		return false
	case t == metric.Summary:
		return isPlainSummary(s.Summary)
	case t.IsHistogram():
		return isPlainHistogram(s.Histogram)
	}
	return survivesText(s.Value)
}

func isPlainSummary(s *metric.Quantiles) bool {
	for _, q := range s.Quantiles {
		if math.IsNaN(q.Quantile) || !survivesText(q.Quantile) || !survivesText(q.Value) {
			return false
		}
	}
	return s.Count < exact && survivesText(s.Sum)
}

func isPlainHistogram(h *metric.Buckets) bool {
	if h.Native != nil || len(h.AllExemplars()) > 0 || !survivesText(h.Sum) || !isOrderly(h) {
		return false
	}
	for _, b := range h.Classic {
		if b.Exemplar != nil || !survivesText(b.UpperBound) {
			return false
		}
	}
	return true
}

// exact is the limit up to which text, whose numbers are floats, holds whole
// numbers exactly.
const exact = 1 << 53

// survivesText reports whether v is the same after it is written and parsed.
// Text has no negative zero, and only one NaN.
func survivesText(v float64) bool {
	return v < 0 || v > 0 || math.Float64bits(v) == 0 || math.Float64bits(v) == math.Float64bits(math.NaN())
}

// onlyText reports whether the protobuf must be made from the text.
func (b *Block) onlyText() bool { return b.more == nil && len(b.text) > 0 }

// eachLine calls f with the labels and the value of each line, in a block that
// has only text, until it returns false. The slice is only valid during the
// call.
func (b *Block) eachLine(f func([]metric.Label, float64) bool) {
	head := len(b.Name)
	if !metric.IsLegacyName(b.Name) {
		head = len(appendName(nil, b.Name, false)) + len("{")
	}
	const few = 8
	line := plainLine{make([]metric.Label, 0, few), make([]string, 0, few)}
	for rest := view(b.Text()); len(rest) > 0; {
		rest = line.readLabels(rest[head:])
		end := strings.IndexByte(rest, '\n')
		value, _ := parseFloat(rest[:end]) // we wrote it ourselves
		if !f(line.labels, value) {
			return
		}
		rest = rest[end+1:]
	}
}

// EachValue calls f with the value of each series of a counter, gauge or untyped
// family, until it returns false. labels is what the line of the series has
// between its name and the value: within a group equal label sets have equal
// ones. It allocates nothing.
func (b *Block) EachValue(f func(labels string, value float64) bool) {
	head := len(b.Name)
	if !metric.IsLegacyName(b.Name) {
		head = len(appendName(nil, b.Name, false)) + len("{")
	}
	for rest := view(b.Text()); len(rest) > 0; {
		end := strings.IndexByte(rest, '\n')
		space := strings.LastIndexByte(rest[:end], ' ')
		value, _ := parseFloat(rest[space+1 : end]) // we wrote it ourselves
		if !f(rest[head:space], value) {
			return
		}
		rest = rest[end+1:]
	}
}

// plainLine is a line of a plain family.
type plainLine struct {
	labels []metric.Label
	texts  []string // of the labels
}

// readLabels parses what stands between the name and the value, and returns the
// rest. Most labels are those of the previous line.
func (p *plainLine) readLabels(s string) (rest string) {
	n := 0
	for ; s[0] == '{' || s[0] == ','; n++ {
		s = s[1:]
		if n < len(p.texts) && strings.HasPrefix(s, p.texts[n]) {
			s = s[len(p.texts[n]):]
			continue
		}
		if n == len(p.texts) {
			p.labels, p.texts = append(p.labels, metric.Label{}), append(p.texts, "")
		}
		l, rest := cutLabel(s)
		p.labels[n], p.texts[n] = l, s[:len(s)-len(rest)]
		s = rest
	}
	p.labels, p.texts = p.labels[:n], p.texts[:n]
	return strings.TrimPrefix(strings.TrimPrefix(s, "}"), " ")
}

// cutLabel removes a label from text that appendLabels wrote.
func cutLabel(s string) (l metric.Label, rest string) {
	end := strings.IndexByte(s, '=')
	l.Name = s[:end]
	if s[0] == '"' {
		l.Name, s = cutQuoted(s)
	} else {
		s = s[end:]
	}
	l.Value, s = cutQuoted(s[1:])
	return l, s
}

func cutQuoted(s string) (content, rest string) {
	end, escaped := closingQuote(s, 1)
	content = s[1:end]
	if escaped {
		content = unescapes.Replace(content)
	}
	return content, s[end+1:]
}

// unescapes undoes appendEscaped.
var unescapes = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`)

// eachReread calls f with each series of a summary or histogram that has only
// text, until it returns false. They are only valid during the call.
func (b *Block) eachReread(f func(metric.Series) bool) {
	p := GetParser()
	defer p.Release()
	for rest := b.Text(); len(rest) > 0; {
		piece := b.firstSeries(rest)
		rest = rest[len(piece):]
		family, err := p.rereadText(b.Name, b.Type, piece)
		if err != nil {
			panic(fmt.Sprintf("block %q, which was rendered, cannot be read: %v", b.Name, err))
		}
		for _, s := range family.Series {
			if b.open {
				s.Histogram.Classic = withoutLast(s.Histogram.Classic)
			}
			if !f(s) {
				return
			}
		}
	}
}

// withoutLast removes the +Inf bucket. If there is no other, none are left.
func withoutLast(buckets []metric.Bucket) []metric.Bucket {
	if len(buckets) == 1 {
		return nil
	}
	return buckets[:len(buckets)-1]
}

// rereadPiece is how much text is parsed again at a time, since the result
// takes several times as much memory.
const rereadPiece = 64 << 10

// firstSeries returns the text of some series of a summary or histogram that
// has only text. The last line of each is its count.
func (b *Block) firstSeries(text []byte) []byte {
	if len(text) <= rereadPiece {
		return text
	}
	last := bytes.Index(text[rereadPiece:], []byte("\n"+b.Name+metric.CountSuffix))
	if last < 0 {
		return text
	}
	last += rereadPiece + 1
	return text[:last+bytes.IndexByte(text[last:], '\n')+1]
}
