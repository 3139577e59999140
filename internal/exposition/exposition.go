// Package exposition reads pushes and writes scrapes: the text format,
// protobuf and OpenMetrics, their negotiation, and their compression.
//
// A push is parsed once, in whatever goroutine serves it, and becomes one
// finished [Block] per family. Blocks never change, so a scrape only copies
// them out.
package exposition

import (
	"errors"
	"fmt"
	"strings"

	"pushgateway/internal/excerpt"
)

// Bounds of one push beyond its bytes, so that a small body cannot become a
// large structure. They are far beyond what a job has to say.
const (
	maxFamilies = 100_000   // in one push
	maxSeries   = 1_000_000 // in one push
	maxParts    = 4_000_000 // labels, buckets, quantiles, spans of one push together
	maxLabels   = 1000      // of one series or exemplar
)

// ErrTooLarge is wrapped by the errors for pushes over a bound.
var ErrTooLarge = errors.New("push is too large")

// SyntaxError says that a body is not in the format it claims to be in.
type SyntaxError struct {
	Line int // of a text body, from 1; 0 for other formats
	Msg  string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
}

// InvalidError says that a well-formed family or series must not be exposed:
// Prometheus would refuse the whole scrape because of it.
type InvalidError struct {
	Family  string
	Msg     string
	Line    int  // of a text body, from 1; 0 if it is not known
	tooLong bool // it is over one of the Limits
}

func (e *InvalidError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("family %q: %s", e.Family, e.Msg)
	}
	return fmt.Sprintf("line %d: family %q: %s", e.Line, e.Family, e.Msg)
}

// atLine adds the line that an InvalidError is about.
func atLine(line int, err error) error {
	var e *InvalidError
	if errors.As(err, &e) {
		e.Line = line
	}
	return err
}

// About makes it a FamilyError.
func (e *InvalidError) About() (family, reason string) { return e.Family, e.Msg }

// invalid copies what it keeps: the name may lie in the body of the push.
func invalid(family, format string, args ...any) error {
	return &InvalidError{Family: strings.Clone(excerpt.Of(family)), Msg: fmt.Sprintf(format, args...)}
}

func tooMany(what string, most int) error {
	return fmt.Errorf("%w: it has more than %d %s; push fewer at once, or split it into several groups", ErrTooLarge, most, what)
}

// quoted shows a name in a message.
func quoted(s string) string { return fmt.Sprintf("%q", excerpt.Of(s)) }
