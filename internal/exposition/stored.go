package exposition

import (
	"errors"
	"fmt"

	"pushgateway/internal/metric"
)

// AppendStored appends the block in the form that a restart reads: a delimited
// io.prometheus.client.MetricFamily, from which ReadStored renders it anew.
func (b *Block) AppendStored(dst []byte) []byte {
	dst = appendFamily(dst, b.Name, b.Help, b.Type, b.proto)
	return b.AppendProto(dst)
}

var errNotOneFamily = errors.New("it does not hold exactly one family")

// ReadStored gives the block that AppendStored has written. It keeps nothing
// of data.
func ReadStored(data []byte) (*Block, error) {
	p := GetParser()
	defer p.Release()
	p.reset()
	p.trusted = true
	families, err := p.readProto(data)
	if err != nil {
		return nil, fmt.Errorf("reading a stored family: %w", err)
	}
	if len(families) != 1 {
		return nil, fmt.Errorf("reading a stored family: %w", errNotOneFamily)
	}
	blocks, err := Render([]*metric.Family{families[0]}, Options{Bare: true, Valid: true})
	if err != nil {
		return nil, fmt.Errorf("reading a stored family: %w", err)
	}
	return blocks[0], nil
}
