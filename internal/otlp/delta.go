package otlp

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// checkAddend refuses a point of a histogram that would spoil the sum that it is
// added to for good. Others only show what they are.
func (t *translator) checkAddend(sum float64, count, zeros uint64, buckets ...[]uint64) error {
	if !t.to.Delta {
		return nil
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("a point has the sum %v, which cannot be added; export finite sums", sum)
	}
	in, err := total(zeros, buckets...)
	if err == nil && in != count {
		err = fmt.Errorf("a point counts %d, but its buckets %d; export consistent histograms", count, in)
	}
	return err
}

// total returns what all buckets count.
func total(zeros uint64, buckets ...[]uint64) (n uint64, err error) {
	n = zeros
	for _, counts := range buckets {
		for _, count := range counts {
			more, carry := bits.Add64(n, count, 0)
			if carry != 0 {
				return 0, errors.New("the buckets of a point count more than 2^64 observations; export what was counted")
			}
			n = more
		}
	}
	return n, nil
}
