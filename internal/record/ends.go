package record

import (
	"errors"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
)

// appendEnds appends the field with the ends of series: a varint for each, in
// their order. 0 means that the series does not end. Any other is one more than
// the zigzag of by how many ns the end is after that of the series before, or after
// 1970 for the first that ends. Most series that come together end together.
func appendEnds(b []byte, e *gateway.Ends) []byte {
	if e == nil {
		return b
	}
	var ends []byte
	before := int64(0)
	for _, end := range e.At() {
		if end == 0 {
			ends = protowire.AppendVarint(ends, 0)
			continue
		}
		ends = protowire.AppendVarint(ends, 1+protowire.EncodeZigZag(end-before))
		before = end
	}
	b = protowire.AppendTag(b, familyEnds, protowire.BytesType)
	return protowire.AppendBytes(b, ends)
}

var errEnds = errors.New("the times at which series end do not fit the series")

// readEnds reads what appendEnds has written for a block. leftOut are the numbers of
// the series that the block has lost since, in ascending order.
func readEnds(ends []byte, b *exposition.Block, leftOut []int) (*gateway.Ends, error) {
	at, before := make([]int64, 0, b.Series()), int64(0)
	for len(ends) > 0 {
		v, n := protowire.ConsumeVarint(ends)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		ends = ends[n:]
		if v == 0 {
			at = append(at, 0)
			continue
		}
		if before += protowire.DecodeZigZag(v - 1); before <= 0 {
			return nil, errEnds
		}
		at = append(at, before)
	}
	if len(at) != b.Series()+len(leftOut) {
		return nil, errEnds
	}
	for _, i := range slices.Backward(leftOut) {
		at = slices.Delete(at, i, i+1)
	}
	return gateway.NewEnds(at), nil
}
