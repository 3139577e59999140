package exposition

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/metric"
)

// appendPlain makes the protobuf of a block that has only text.
func (b *Block) appendPlain(dst []byte) []byte {
	r := renderers.Get().(*renderer)
	defer r.release()
	return r.reader.appendProto(dst, b)
}

// plainReader makes the protobuf of blocks that have only text. It allocates
// nothing for most of them: the labels of a line are mostly those of an earlier
// one.
type plainReader struct {
	pairs []plainPair // of the last line
	size  int         // of all pairs in protobuf
	parts []plainPart // of the present summary or histogram
}

// plainPair is a label as it is written in text and in protobuf.
type plainPair struct {
	text  string
	name  int // bytes of the text before the value; 0 if the name is in quotes
	proto []byte
}

// plainPart is a quantile or bucket, and its value.
type plainPart struct{ bound, value float64 }

const partSize = 16 // bytes of a plainPart

// reset forgets all texts, which belong to blocks, and what takes much memory.
func (p *plainReader) reset() {
	const keep = 64 << 10
	pairs := p.pairs[:cap(p.pairs)]
	size := partSize * cap(p.parts)
	for i := range pairs {
		pairs[i] = plainPair{proto: pairs[i].proto}
		size += cap(pairs[i].proto)
	}
	if p.pairs = pairs[:0]; size > keep {
		*p = plainReader{}
	}
}

// appendProto appends the protobuf of a block that has only text.
func (p *plainReader) appendProto(dst []byte, b *Block) []byte {
	for lines := view(b.text); len(lines) > 0; {
		dst, lines = p.appendSeries(dst, b, lines)
	}
	return dst
}

// appendSeries appends the first series in some lines of a block, and returns the
// other lines.
func (p *plainReader) appendSeries(dst []byte, b *Block, lines string) (_ []byte, rest string) {
	if specialLabel(b.Type) != "" {
		return p.appendSpecial(dst, b, lines)
	}
	lines = p.readLabels(afterName(lines, b.Name))
	end := strings.IndexByte(lines, '\n')
	value, _ := parseFloat(lines[:end]) // we wrote it ourselves
	return appendPlainValue(p.appendHead(dst, plainValueSize), b.Type, value), lines[end+1:]
}

// afterName returns what follows the name in a line of a family.
func afterName(line, name string) string {
	if line[0] != '{' {
		return line[len(name):]
	}
	end, _ := closingQuote(line, len(`{"`))
	return line[end+1:]
}

// readLabels parses what stands between the name and the value, and returns the
// rest.
func (p *plainReader) readLabels(s string) (rest string) {
	n, size := 0, 0
	for ; s[0] == '{' || s[0] == ','; n++ {
		s = s[1:]
		if n == len(p.pairs) {
			p.addPair()
		}
		pair := &p.pairs[n]
		if pair.text == "" || !strings.HasPrefix(s, pair.text) {
			pair.read(s)
		}
		s = s[len(pair.text):]
		size += len(pair.proto)
	}
	p.pairs, p.size = p.pairs[:n], size
	return strings.TrimPrefix(strings.TrimPrefix(s, "}"), " ")
}

// addPair adds a pair, and uses the memory of an earlier one if there is one.
func (p *plainReader) addPair() {
	if len(p.pairs) < cap(p.pairs) {
		p.pairs = p.pairs[:len(p.pairs)+1]
		return
	}
	p.pairs = append(p.pairs, plainPair{})
}

// read reads the label at the beginning of s. Its name is mostly that of the label
// before.
func (p *plainPair) read(s string) {
	if p.name > 0 && strings.HasPrefix(s, p.text[:p.name]) {
		end := p.name + strings.IndexByte(s[p.name:], '"')
		if value := s[p.name:end]; strings.IndexByte(value, '\\') < 0 {
			p.text = s[:end+1]
			p.proto = appendLabelPair(p.proto[:0], 1, s[:p.name-len(`="`)], value)
			return
		}
	}
	l, rest := cutLabel(s)
	p.text, p.name = s[:len(s)-len(rest)], 0
	if s[0] != '"' {
		p.name = len(l.Name) + len(`="`)
	}
	p.proto = appendLabelPair(p.proto[:0], 1, l.Name, l.Value)
}

// appendHead begins a series whose value takes size bytes.
func (p *plainReader) appendHead(dst []byte, size int) []byte {
	dst = appendMetricHead(dst, p.size+size)
	for i := range p.pairs {
		dst = append(dst, p.pairs[i].proto...)
	}
	return dst
}

// appendSpecial is appendSeries for summaries and histograms.
func (p *plainReader) appendSpecial(dst []byte, b *Block, lines string) (_ []byte, rest string) {
	p.parts = p.parts[:0]
	for isSpecialLine(lines, b.Name) {
		var part plainPart
		part, lines = cutPart(lines)
		p.parts = append(p.parts, part)
	}
	if b.open {
		p.parts = p.parts[:len(p.parts)-1] // +Inf
	}
	lines = p.readLabels(lines[len(b.Name)+len(metric.SumSuffix):])
	end := strings.IndexByte(lines, '\n')
	sum, _ := parseFloat(lines[:end]) // we wrote it ourselves
	lines = lines[end+1:]
	end, at := lineEnd(lines)
	count, _ := parseFloat(lines[at:end])
	dst = p.appendHead(dst, specialSize(b.Type, len(p.parts)))
	return p.appendParts(dst, b.Type, sum, count), lines[end+1:]
}

// cutPart removes the line of a quantile or bucket from lines.
func cutPart(lines string) (p plainPart, rest string) {
	end, at := lineEnd(lines)
	line := lines[:at-len(`"} `)]
	p.bound, _ = parseFloat(line[strings.LastIndexByte(line, '"')+1:]) // we wrote both ourselves
	p.value, _ = parseFloat(lines[at:end])
	return p, lines[end+1:]
}

// appendParts writes the value of a summary or histogram.
func (p *plainReader) appendParts(dst []byte, t metric.Type, sum, count float64) []byte {
	const total = plainNumberSize + wholeSize
	each := wholeSize + plainNumberSize
	if t == metric.Summary {
		each = 2 * plainNumberSize
	}
	dst = protowire.AppendTag(dst, valueFields[t], protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(total+len(p.parts)*sizeBytes(each)))
	dst = appendDouble(appendWhole(dst, 1, uint64(count)), 2, sum)
	for _, part := range p.parts {
		dst = append(dst, 3<<3|byte(protowire.BytesType), byte(each))
		if t == metric.Summary {
			dst = appendDouble(appendDouble(dst, 1, part.bound), 2, part.value)
		} else {
			dst = appendDouble(appendWhole(dst, 1, uint64(part.value)), 2, part.bound)
		}
	}
	return dst
}
