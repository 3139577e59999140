package otlp

import (
	"fmt"
	"slices"
	"strings"
)

// Rejected counts the points that are not taken, and says why.
type Rejected struct {
	Points int64
	why    []string
	more   int
}

// mostReasons is how many reasons an answer has.
const mostReasons = 10

// Add rejects points. Equal reasons are said once.
func (r *Rejected) Add(points int, format string, args ...any) {
	r.Points += int64(points)
	why := fmt.Sprintf(format, args...)
	switch {
	case slices.Contains(r.why, why):
	case len(r.why) == mostReasons:
		r.more++
	default:
		r.why = append(r.why, why)
	}
}

// String returns all reasons.
func (r *Rejected) String() string {
	text := strings.Join(r.why, "; ")
	if r.more > 0 {
		text += fmt.Sprintf("; and %d more", r.more)
	}
	return text
}
