package exposition

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func skipBlanks(s string, i int) int {
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return i
}

// untilBlank returns the part of s before the first space or tab.
func untilBlank(s string) string {
	for i := 0; i < len(s); i++ {
		if isBlank(s[i]) {
			return s[:i]
		}
	}
	return s
}

// Classes of bytes in unquoted names.
const (
	isDigitByte = 1 << iota
	isLabelByte // may also start a label name
	isColonByte
	isNameByte = isLabelByte | isColonByte
)

var byteClass = func() (class [256]uint8) {
	for c := range 256 {
		switch {
		case c >= '0' && c <= '9':
			class[c] = isDigitByte
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '"':
			class[c] = isLabelByte
		case c == ':':
			class[c] = isColonByte
		}
	}
	return class
}()

// readName reads the name of a metric or a label at line[i:], which may be
// quoted. It returns "" if no name starts there.
func (p *Parser) readName(line string, i int, start uint8) (string, int, error) {
	if i == len(line) || byteClass[line[i]]&start == 0 {
		return "", i, nil
	}
	for j := i; ; j++ {
		if j == len(line) || byteClass[line[j]]&(start|isDigitByte) == 0 {
			return line[i:j], j, nil
		}
		if line[j] == '"' {
			return p.readQuotedName(line, i)
		}
	}
}

// readQuotedName is readName after a quote. A quote may open in the middle of a
// name; the closing one ends the name.
func (p *Parser) readQuotedName(line string, i int) (string, int, error) {
	open := i + strings.IndexByte(line[i:], '"')
	end, escaped := closingQuote(line, open+1)
	if end < 0 {
		return "", 0, p.syntaxError("the name %q has no closing quote", excerpt.Of(line[i:]))
	}
	name := line[open+1 : end]
	if escaped {
		var err error
		if name, err = p.unescape(name); err != nil {
			return "", 0, err
		}
	}
	return line[i:open] + name, end + 1, nil
}

// closingQuote finds the quote that ends what starts at s[i], and reports
// whether there are escapes before it.
func closingQuote(s string, i int) (end int, escaped bool) {
	for ; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return -1, escaped
}

// unescape undoes \\, \n and \" and refuses every other escape.
func (p *Parser) unescape(s string) (string, error) {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s, nil
	}
	if err := p.memory.take(2 * len(s)); err != nil {
		return "", err
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		c := s[i]
		if c != '\\' {
			b = append(b, c)
			continue
		}
		if i++; i == len(s) {
			return "", p.syntaxError("the line ends within an escape sequence")
		}
		switch s[i] {
		case '\\', '"':
			b = append(b, s[i])
		case 'n':
			b = append(b, '\n')
		default:
			return "", p.syntaxError(`invalid escape sequence: a backslash before %s; write a backslash as \\`, found(s[i:]))
		}
	}
	return view(b), nil
}

var errNotDecimal = errors.New("not a decimal number")

// parseFloat accepts what strconv does, except hexadecimal and underscores,
// like expfmt. Short integers, the most common values, have a fast path.
func parseFloat(s string) (float64, error) {
	if len(s) > 0 && len(s) <= 15 {
		n := int64(0) // an int of 32 bits would be too small
		for i := 0; ; i++ {
			if i == len(s) {
				return float64(n), nil
			}
			d := s[i] - '0'
			if d > 9 {
				break
			}
			n = n*10 + int64(d)
		}
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == 'p' || c == 'P' || c == '_' {
			return 0, errNotDecimal
		}
	}
	return strconv.ParseFloat(s, 64)
}

// truncate converts like a conversion to uint64 on amd64, on every machine:
// below zero it wraps, and what does not fit becomes 1<<63.
func truncate(v float64) uint64 {
	switch {
	case v >= 1<<63 && v < 1<<64:
		return uint64(v)
	case v > -(1<<63) && v < 1<<63:
		return uint64(int64(v))
	}
	return 1 << 63
}

// toCount keeps a whole number as an integer and any other as a float. It is
// not ok below zero.
func toCount(v float64) (c metric.Count, ok bool) {
	if n := truncate(v); v == float64(n) {
		return metric.Count{Int: n}, true
	}
	return metric.Count{Float: v}, !(v < 0)
}

// setCount overwrites only the kind of count that is given, as a second count
// line does in expfmt.
func setCount(c *metric.Count, from metric.Count) {
	if from.Float != 0 {
		c.Float = from.Float
		return
	}
	c.Int = from.Int
}

// makeUniform makes the counts of each histogram all integers or all floats.
func makeUniform(f *metric.Family) {
	if !f.Type.IsHistogram() {
		return
	}
	for i := range f.Series {
		if h := f.Series[i].Histogram; h != nil && hasFloats(h) {
			toFloat(&h.Count)
			for j := range h.Classic {
				toFloat(&h.Classic[j].Count)
			}
		}
	}
}

func hasFloats(h *metric.Buckets) bool {
	if h.Count.Float != 0 {
		return true
	}
	for _, b := range h.Classic {
		if b.Count.Float != 0 {
			return true
		}
	}
	return false
}

func toFloat(c *metric.Count) {
	if c.Float == 0 {
		*c = metric.Count{Float: float64(c.Int)}
	}
}

// isInf reports whether v is the bound of the last bucket.
func isInf(v float64) bool { return math.IsInf(v, +1) }
