package exposition

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/metric"
)

// A block is stored as a delimited io.prometheus.client.MetricFamily. If its text
// expresses everything, the text replaces the metrics: making metrics would cost
// more than compressing the text. Then the family has one more field with the
// version of the renderer. Other versions of the gateway skip it.

// rendererVersion is the version of the lines that Render writes. Increase it
// when Render writes different bytes for the same families. Then stored lines are
// rendered again.
const rendererVersion = 1

// storedVersion is the number of the field with the version. MetricFamily has no
// field with so high a number.
const storedVersion = 1000

// AppendStored appends the family, without metrics if StoredText has them.
func (b *Block) AppendStored(dst []byte) []byte {
	if b.StoredText() != nil {
		var version [8]byte
		more := appendInt(version[:0], storedVersion, rendererVersion)
		return append(appendFamily(dst, b.Name, b.Help, b.HasHelp(), b.Unit, b.Type, len(more)), more...)
	}
	dst = appendFamily(dst, b.Name, b.Help, b.HasHelp(), b.Unit, b.Type, b.proto)
	return b.AppendProto(slices.Grow(dst, b.proto))
}

// StoredText returns the lines of the block if they express everything, or else
// nil. The caller must not change it.
func (b *Block) StoredText() []byte {
	if !b.onlyText() || b.open {
		return nil
	}
	return b.Text()
}

var errNotOneFamily = errors.New("it does not hold exactly one family")

// StoredReader reads the families of records, one after the other. It is not safe
// for concurrent use; see GetStoredReader.
type StoredReader struct {
	lines adopter
	known interned

	repeated []repeated
	leftOut  []int // of the latest block
	read     int   // families read
	heads    knownHeads
	together together // for Repeated
}

var storedReaders = sync.Pool{New: func() any { return new(StoredReader) }}

// GetStoredReader returns a reader. Return it with Release. Until then, what it
// has read must not change.
func GetStoredReader() *StoredReader { return storedReaders.Get().(*StoredReader) }

// Release returns the reader.
func (r *StoredReader) Release() {
	r.lines.forget()
	r.heads.release()
	r.read = 0
	clear(r.repeated)
	r.repeated = r.repeated[:0]
	r.together.forget()
	storedReaders.Put(r)
}

// Read returns the block from what AppendStored and StoredText returned. The
// block keeps no reference to them. Lines of this version are adopted, and others
// are rendered. Rendering leaves out series that would crash Prometheus; see
// TooLong.
func (r *StoredReader) Read(family, text []byte) (*Block, error) {
	r.leftOut = nil
	if b := r.adopt(family, text); b != nil {
		return b, nil
	}
	b, leftOut, err := renderStored(family, text)
	r.leftOut = leftOut
	return b, err
}

// LeftOut returns the numbers of the series that the latest Read has left out, in the
// order of what was stored, from 0.
func (r *StoredReader) LeftOut() []int { return r.leftOut }

func renderStored(family, text []byte) (b *Block, leftOut []int, err error) {
	p := GetParser()
	defer p.Release()
	f, err := p.readStored(family, text)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a stored family: %w", err)
	}
	tooLong := func(i int, _ error) { leftOut = append(leftOut, i) }
	blocks, err := Render([]*metric.Family{f}, Options{Bare: true, Valid: true, Limits: StoredLimits(), TooLong: tooLong})
	if err != nil {
		return nil, nil, fmt.Errorf("reading a stored family: %w", err)
	}
	return blocks[0], leftOut, nil
}

// StoredSize is roughly the size of what AppendStored appends.
func (b *Block) StoredSize() int {
	if b.StoredText() != nil {
		return len(b.Name) + len(b.Help)
	}
	return len(b.Name) + len(b.Help) + b.proto
}

// readStored parses what we wrote ourselves, without bounds.
func (p *Parser) readStored(family, text []byte) (*metric.Family, error) {
	p.reset()
	p.trusted = true
	families, err := p.readProto(family)
	if err != nil || len(text) == 0 {
		return only(families, err)
	}
	head, err := only(families, nil)
	if err != nil {
		return nil, err
	}
	help, empty, unit := head.Help, head.EmptyHelp, head.Unit
	f, err := p.rereadText(head.Name, head.Type, text)
	if err != nil {
		return nil, err
	}
	f.Unit = unit
	f.Help, f.EmptyHelp = help, empty // in the text blanks before it would be lost
	return f, nil
}

// rereadText parses the lines of a block.
func (p *Parser) rereadText(name string, t metric.Type, text []byte) (*metric.Family, error) {
	body := make([]byte, 0, len("# TYPE \n")+2*len(name)+len(text)+20)
	body = append(body, "# TYPE "...)
	body = append(appendName(body, name, metric.IsLegacyName(name)), ' ')
	body = append(append(body, t.String()...), '\n')
	body = append(body, text...)
	p.reset()
	p.trusted = true
	f, err := only(p.readText(view(body)))
	if err != nil {
		return nil, err
	}
	if f.Name != name || f.Type != t {
		return nil, errNotOneFamily
	}
	return f, nil
}

// storedHead is a stored family without its series.
type storedHead struct {
	metric.Family
	renderer uint64 // version of the renderer
}

// readStoredHead reads a family without series of its own.
func readStoredHead(family []byte) (h storedHead, ok bool) {
	size, n := protowire.ConsumeVarint(family)
	if n < 0 || size != uint64(len(family)-n) {
		return h, false
	}
	for rest := family[n:]; len(rest) > 0; {
		f, next, err := nextField(rest)
		switch {
		case err != nil:
			return h, false
		case f.isBytes(1):
			h.Name = view(f.bytes)
		case f.isBytes(2):
			h.Help, h.EmptyHelp = view(f.bytes), len(f.bytes) == 0
		case f.isInt(3):
			h.Type = metric.Type(min(uint32(f.bits), math.MaxUint8))
		case f.isBytes(unitField):
			h.Unit = view(f.bytes)
		case f.isInt(storedVersion):
			h.renderer = f.bits
		default:
			return h, false
		}
		rest = next
	}
	return h, true
}

func only(families []*metric.Family, err error) (*metric.Family, error) {
	if err != nil {
		return nil, err
	}
	if len(families) != 1 {
		return nil, errNotOneFamily
	}
	return families[0], nil
}
