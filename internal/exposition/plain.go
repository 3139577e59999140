package exposition

import (
	"math"
	"strings"

	"pushgateway/internal/metric"
)

// Most families are plain: their text says all there is to say of them. Their
// blocks hold nothing else, and protobuf is made of it when it is asked for.

// isPlainFamily tells whether protobuf made of the family's text would be the
// same as protobuf made of the family.
func isPlainFamily(f *metric.Family) bool {
	if f.Type == metric.Summary || f.Type.IsHistogram() {
		return false
	}
	for i := range f.Series {
		if s := &f.Series[i]; !isPlain(f.Type, s) || !survivesText(s.Value) {
			return false
		}
	}
	return true
}

// survivesText tells whether v is itself when it is read back. Text has no
// negative zero, and only one NaN.
func survivesText(v float64) bool {
	return v < 0 || v > 0 || math.Float64bits(v) == 0 || math.Float64bits(v) == math.Float64bits(math.NaN())
}

// onlyText tells whether the protobuf must be made of the text.
func (b *Block) onlyText() bool { return len(b.data) < b.text+b.proto }

// eachLine calls f with the labels and the value of each line, in a block that
// has only text, until it returns false. The slice is f's only for the call.
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

// plainLine is a line of a plain family.
type plainLine struct {
	labels []metric.Label
	texts  []string // of the labels
}

// readLabels reads what stands between the name and the value, and gives the
// rest. Most labels are those of the line before.
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

// cutLabel takes a label off text that appendLabels wrote.
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

// appendPlain makes the protobuf of a block that has only text.
func (b *Block) appendPlain(dst []byte) []byte {
	b.eachLine(func(labels []metric.Label, value float64) bool {
		size := plainValueSize
		for _, l := range labels {
			size += sizeLabelPair(l.Name, l.Value)
		}
		dst = appendMetricHead(dst, size)
		dst = appendLabelPairs(dst, 1, labels)
		dst = appendPlainValue(dst, b.Type, value)
		return true
	})
	return dst
}
