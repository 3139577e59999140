package exposition

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pushgateway/internal/excerpt"
)

// A FamilyError says why one family of a push is refused.
type FamilyError interface {
	error
	// About returns the name of the family, and the bare reason.
	About() (family, reason string)
}

// maxNamed bounds how many families one error names.
const maxNamed = 10

// Refused collects why families of one push are refused, so that the sender
// learns about all of them at once. The zero value is ready to use.
type Refused struct {
	first   error
	reasons []refusedFor
	named   int
	more    []string // the families that are not named, as excerpts
}

// refusedFor are the families that are refused for one reason.
type refusedFor struct {
	reason   string
	families []string
}

// Add adds an error about one family. It returns false for any other error,
// which ends the push by itself.
func (r *Refused) Add(err error) bool {
	var about FamilyError
	if !errors.As(err, &about) {
		return false
	}
	if r.first == nil {
		r.first = err
	}
	family, reason := about.About()
	if r.named == maxNamed {
		r.more = append(r.more, excerpt.Of(family))
		return true
	}
	r.named++
	for i := range r.reasons {
		if same := &r.reasons[i]; same.reason == reason {
			same.families = append(same.families, family)
			return true
		}
	}
	r.reasons = append(r.reasons, refusedFor{reason, []string{family}})
	return true
}

// Err returns nil if nothing was refused. Otherwise it wraps the first error,
// and its text names all families up to a bound.
func (r *Refused) Err() error {
	if r.named <= 1 {
		return r.first
	}
	about := slices.Clone(r.more)
	for _, f := range r.reasons {
		about = append(about, f.families...)
	}
	return &refusedError{r.String(), r.first, about}
}

// FamiliesOf returns the families that an error is about, as excerpts. There are
// none if it is not about families.
func FamiliesOf(err error) []string {
	var several *refusedError
	if errors.As(err, &several) {
		return several.about
	}
	var one FamilyError
	if !errors.As(err, &one) {
		return nil
	}
	family, _ := one.About()
	return []string{excerpt.Of(family)}
}

// String returns all reasons as one sentence.
func (r *Refused) String() string {
	said := make([]string, len(r.reasons), len(r.reasons)+1)
	for i, f := range r.reasons {
		said[i] = f.String()
	}
	if len(r.more) > 0 {
		said = append(said, fmt.Sprintf("and %d more families", len(r.more)))
	}
	return strings.Join(said, "; ")
}

func (f refusedFor) String() string {
	quoted := make([]string, len(f.families))
	for i, name := range f.families {
		quoted[i] = fmt.Sprintf("%q", excerpt.Of(name))
	}
	if len(quoted) == 1 {
		return fmt.Sprintf("family %s: %s", quoted[0], f.reason)
	}
	return fmt.Sprintf("families %s: %s", strings.Join(quoted, ", "), f.reason)
}

type refusedError struct {
	text  string
	first error
	about []string
}

func (e *refusedError) Error() string { return e.text }
func (e *refusedError) Unwrap() error { return e.first }
