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

// plainReader makes the protobuf of blocks that have only text. Most labels of a
// line are those of the line before, or of the same line in the block before.
type plainReader struct {
	now, before []byte // the protobuf of the present block, and of the last
	known       []knownLine
	pairs       []plainPair // of the last line
	size        int         // of all pairs in protobuf
	parts       []plainPart
}

// plainPair is a label as it is written in text and in protobuf.
type plainPair struct {
	text  string
	name  int  // bytes of the text before the value; 0 if the name is in quotes
	plain bool // name is not 0, and the value has no escapes
	proto []byte
}

// plainPart is a quantile or bucket, and its value.
type plainPart struct{ bound, value float64 }

const partSize = 16 // bytes of a plainPart

// reset forgets all texts, which belong to blocks, and what takes much memory.
func (p *plainReader) reset() {
	const keep = 64 << 10
	pairs, known := p.pairs[:cap(p.pairs)], p.known[:cap(p.known)]
	size := 0
	for i := range pairs {
		pairs[i] = plainPair{proto: pairs[i].proto}
		size += cap(pairs[i].proto)
	}
	for i := range known {
		known[i].labels = ""
	}
	if p.pairs, p.known = pairs[:0], known[:0]; size+partSize*cap(p.parts) > keep {
		p.pairs, p.parts = nil, nil
	}
	p.now, p.before = nil, nil
}

// appendProto appends the protobuf of a block that has only text.
func (p *plainReader) appendProto(dst []byte, b *Block) []byte {
	p.known, p.now = p.known[:0], dst
	p.add(b)
	dst, p.now = p.now, nil
	return dst
}

// protoOf returns the protobuf of a block that has only text, valid until the next
// call.
func (p *plainReader) protoOf(b *Block) []byte {
	if specialLabel(b.Type) != "" {
		p.known, p.now = p.known[:0], p.now[:0]
	} else {
		p.now, p.before = p.before[:0], p.now
	}
	p.add(b)
	return p.now
}

func (p *plainReader) add(b *Block) {
	n, special := 0, specialLabel(b.Type) != ""
	for rest := view(b.text); len(rest) > 0; n++ {
		if special {
			rest = p.addSpecial(b, rest)
		} else {
			rest = p.addNumber(n, b, rest)
		}
	}
	p.known = p.known[:min(n, len(p.known))]
}

// addNumber writes the series in the first of some lines, which is the nth of the
// block, and returns the others.
func (p *plainReader) addNumber(n int, b *Block, lines string) (rest string) {
	line := afterName(lines, b.Name)
	rest, ok := p.repeat(n, line)
	if !ok {
		start := len(p.now)
		rest = p.readLabels(line)
		p.addHead(plainValueSize)
		p.remember(n, line[:len(line)-len(rest)], start)
	}
	end := strings.IndexByte(rest, '\n')
	value, _ := parseFloat(rest[:end]) // we wrote it ourselves
	p.now = appendPlainValue(p.now, b.Type, value)
	return rest[end+1:]
}

// afterName returns what follows the name in a line of a family.
func afterName(line, name string) string {
	if line[0] != '{' {
		return line[len(name):]
	}
	end, _ := closingQuote(line, len(`{"`))
	return line[end+1:]
}

// readLabels reads what stands between the name and the value, and returns the
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
			p.text, p.plain = s[:end+1], true
			p.proto = appendLabelPair(p.proto[:0], 1, s[:p.name-len(`="`)], value)
			return
		}
	}
	l, rest := cutLabel(s)
	p.text, p.name = s[:len(s)-len(rest)], 0
	if s[0] != '"' {
		p.name = len(l.Name) + len(`="`)
	}
	p.plain = p.name > 0 && p.name+len(l.Value)+len(`"`) == len(p.text)
	p.proto = appendLabelPair(p.proto[:0], 1, l.Name, l.Value)
}

// addHead begins a series whose value takes size bytes.
func (p *plainReader) addHead(size int) {
	p.now = appendMetricHead(p.now, p.size+size)
	for i := range p.pairs {
		p.now = append(p.now, p.pairs[i].proto...)
	}
}

// addSpecial writes the first series in the lines of a summary or histogram, and
// returns the other lines.
func (p *plainReader) addSpecial(b *Block, lines string) (rest string) {
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
	p.addHead(specialSize(b.Type, len(p.parts)))
	p.addParts(b.Type, sum, count)
	return lines[end+1:]
}

// cutPart removes the line of a quantile or bucket from lines.
func cutPart(lines string) (p plainPart, rest string) {
	end, at := lineEnd(lines)
	line := lines[:at-len(`"} `)]
	p.bound, _ = parseFloat(line[strings.LastIndexByte(line, '"')+1:]) // we wrote both ourselves
	p.value, _ = parseFloat(lines[at:end])
	return p, lines[end+1:]
}

// addParts writes the value of a summary or histogram.
func (p *plainReader) addParts(t metric.Type, sum, count float64) {
	const total = plainNumberSize + wholeSize
	each := wholeSize + plainNumberSize
	if t == metric.Summary {
		each = 2 * plainNumberSize
	}
	dst := protowire.AppendTag(p.now, valueFields[t], protowire.BytesType)
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
	p.now = dst
}
