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
	best, distance, letters := "", 1+max(2, len(unknown)/3), 0
	for _, name := range known {
		d, l := between(unknown, strings.ToLower(name))
		if d < distance || d == distance && best != "" && l < letters {
			best, distance, letters = name, d, l
		}
	}
	return best
}

// minPart is how long a name must be to count as a part of another one.
const minPart = 4

// between returns the distance between two names, and how many letters differ.
func between(unknown, known string) (d, letters int) {
	d = levenshtein.ComputeDistance(unknown, known)
	switch {
	case len(known) >= minPart && strings.HasPrefix(unknown, known):
		return min(d, 1), d
	case len(unknown) < minPart || len(known) <= len(unknown):
		return d, d
	case strings.Contains(known, unknown):
		return min(d, 1), d
	default:
		return min(d, 1+levenshtein.ComputeDistance(unknown, known[:len(unknown)])), d
	}
}

// Instead says which of the known names to use for an unknown one.
func Instead(unknown string, known []string) string {
	if best := To(unknown, known); best != "" {
		return "did you mean " + best + "?"
	}
	return "use " + strings.Join(known[:len(known)-1], ", ") + " or " + known[len(known)-1]
}
