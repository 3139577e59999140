package exposition

import (
	"errors"
	"fmt"
	"slices"

	"pushgateway/internal/metric"
)

// A block is stored as a delimited io.prometheus.client.MetricFamily. If its
// text expresses everything, the text replaces the metrics: making metrics
// would cost more than compressing the text.

// AppendStored appends the family, without metrics if StoredText has them.
func (b *Block) AppendStored(dst []byte) []byte {
	if b.StoredText() != nil {
		return appendFamily(dst, b.Name, b.Help, b.HasHelp(), b.Type, 0)
	}
	dst = appendFamily(dst, b.Name, b.Help, b.HasHelp(), b.Type, b.proto)
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

// ReadStored renders a block from what AppendStored and StoredText returned. It
// keeps no reference to them. Series that would crash Prometheus are left out;
// see TooLong.
func ReadStored(family, text []byte) (*Block, error) {
	p := GetParser()
	defer p.Release()
	f, err := p.readStored(family, text)
	if err != nil {
		return nil, fmt.Errorf("reading a stored family: %w", err)
	}
	blocks, err := Render([]*metric.Family{f}, Options{Bare: true, Valid: true, Limits: StoredLimits(), TooLong: func(error) {}})
	if err != nil {
		return nil, fmt.Errorf("reading a stored family: %w", err)
	}
	return blocks[0], nil
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
	help, empty := head.Help, head.EmptyHelp
	f, err := p.rereadText(head.Name, head.Type, text)
	if err != nil {
		return nil, err
	}
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

func only(families []*metric.Family, err error) (*metric.Family, error) {
	if err != nil {
		return nil, err
	}
	if len(families) != 1 {
		return nil, errNotOneFamily
	}
	return families[0], nil
}
