package exposition

import "strings"

// interned holds names and help texts of earlier families. The groups of a job
// usually have the same, and one copy of each is enough. It is bounded.
type interned map[string]string

const (
	maxInterned     = 1000
	maxInternedSize = 1000 // bytes of each text
)

// copyOf returns a copy of s, which others may share.
func (i *interned) copyOf(s string) string {
	if known, ok := (*i)[s]; ok {
		return known
	}
	s = strings.Clone(s)
	if len(s) > maxInternedSize {
		return s
	}
	if *i == nil || len(*i) == maxInterned {
		*i = make(interned)
	}
	(*i)[s] = s
	return s
}
