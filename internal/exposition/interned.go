package exposition

import "strings"

// interned has names and help texts that came before: the groups of a job mostly
// have the same, and one copy of each is enough. It is bounded.
type interned map[string]string

const (
	maxInterned     = 1000
	maxInternedSize = 1000 // bytes of each
)

// copyOf gives a copy of s, which may be one that others have.
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
