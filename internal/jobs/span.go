package jobs

import (
	"fmt"
	"math"
)

// Span returns a number of seconds as people read it: with its two largest
// units, like 2d 3h.
func Span(seconds float64) string {
	if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt32*100 {
		return "unknown"
	}
	if seconds < 10 && seconds != math.Trunc(seconds) {
		return fmt.Sprintf("%.1fs", seconds)
	}
	s := int64(math.Round(seconds))
	for _, u := range []struct {
		size  int64
		name  string
		part  int64
		small string
	}{{86400, "d", 3600, "h"}, {3600, "h", 60, "m"}, {60, "m", 1, "s"}} {
		if s < u.size {
			continue
		}
		if rest := s % u.size / u.part; rest > 0 {
			return fmt.Sprintf("%d%s %d%s", s/u.size, u.name, rest, u.small)
		}
		return fmt.Sprintf("%d%s", s/u.size, u.name)
	}
	return fmt.Sprintf("%ds", s)
}
