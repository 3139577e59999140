// Package nearest finds the name that somebody meant who has misspelt it.
package nearest

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// To returns the known name that is nearest to an unknown one, or "" if none is
// near. Letters that are missing or too many at the end cost little, and so does a
// known name that contains the unknown one.
func To(unknown string, known []string) string {
	unknown = strings.ToLower(unknown)
	best, distance := "", 1+max(2, len(unknown)/3)
	for _, name := range known {
		if d := between(unknown, strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// minPart is how long a name must be to count as a part of another one.
const minPart = 4

func between(unknown, known string) int {
	d := levenshtein.ComputeDistance(unknown, known)
	if len(known) >= minPart && strings.HasPrefix(unknown, known) {
		return min(d, 1)
	}
	if len(unknown) < minPart || len(known) <= len(unknown) {
		return d
	}
	if strings.Contains(known, unknown) {
		return min(d, 1)
	}
	return min(d, 1+levenshtein.ComputeDistance(unknown, known[:len(unknown)]))
}

// Instead says which of the known names to use for an unknown one.
func Instead(unknown string, known []string) string {
	if best := To(unknown, known); best != "" {
		return "did you mean " + best + "?"
	}
	return "use " + strings.Join(known[:len(known)-1], ", ") + " or " + known[len(known)-1]
}
