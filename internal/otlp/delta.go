package otlp

import (
	"fmt"
	"math"
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
	if in := total(zeros, buckets); in != float64(count) {
		return fmt.Errorf("a point counts %d, but its buckets %v; export consistent histograms", count, in)
	}
	return nil
}

// total returns what all buckets count.
func total(zeros uint64, buckets [][]uint64) float64 {
	n := float64(zeros)
	for _, counts := range buckets {
		for _, count := range counts {
			n += float64(count)
		}
	}
	return n
}
