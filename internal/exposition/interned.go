package exposition

import "strings"

// interned has names and help texts that came before: the groups of a job mostly
// have the same, and one copy of each is enough. It is bounded.
type interned map[string]string

const (
	maxInterned     = 1000
	maxInternedSize = 1000 // bytes of each
)

// intern gives a copy of s, which may be one that others have.
func (r *renderer) intern(s string) string {
	if known, ok := r.known[s]; ok {
		return known
	}
	s = strings.Clone(s)
	if len(s) > maxInternedSize {
		return s
	}
	if r.known == nil || len(r.known) == maxInterned {
		r.known = make(interned)
	}
	r.known[s] = s
	return s
}
