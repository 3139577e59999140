package main

import "slices"

// median is what counts of several rounds: the machine is shared, and one
// round in a few is disturbed by somebody.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// contest lets each contestant have a turn, round after round, so that what
// disturbs the machine for a while disturbs all of them. It gives the median
// of each. A nil contestant is one that is not there; its figure is 0.
func contest(rounds int, contestants ...func() (float64, error)) ([]float64, error) {
	turns := make([][]float64, len(contestants))
	for range rounds {
		for i, f := range contestants {
			if f == nil {
				continue
			}
			v, err := f()
			if err != nil {
				return nil, err
			}
			turns[i] = append(turns[i], v)
		}
	}
	figures := make([]float64, len(contestants))
	for i, v := range turns {
		figures[i] = median(v)
	}
	return figures, nil
}
