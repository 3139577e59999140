// Package exposition parses pushes and writes scrapes: the text format,
// protobuf and OpenMetrics, content negotiation, and compression.
//
// A push is parsed once, in the goroutine that serves it, and becomes one
// finished [Block] per family. Blocks are immutable, so a scrape only copies
// them.
package exposition

import (
	"errors"
	"fmt"
	"strings"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
)

// ErrTooLarge is wrapped by the errors for pushes over a bound.
var ErrTooLarge = guard.ErrTooLarge

// SyntaxError means that a body is not in the format that it claims to be in.
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

// InvalidError means that a well-formed family or series must not be exposed,
// because Prometheus would refuse the whole scrape.
type InvalidError struct {
	Family string
	Msg    string
	Line   int // of a text body, from 1; 0 if unknown
	// limit is the limit that it exceeds, if Msg is about one of the Limits.
	limit *guard.LimitError
}

// Unwrap returns the LimitError if the error is about a limit.
func (e *InvalidError) Unwrap() error {
	if e.limit == nil {
		return nil
	}
	return e.limit
}

func (e *InvalidError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("family %q: %s", e.Family, e.Msg)
	}
	return fmt.Sprintf("line %d: family %q: %s", e.Line, e.Family, e.Msg)
}

// atLine sets the line that an InvalidError is about.
func atLine(line int, err error) error {
	var e *InvalidError
	if errors.As(err, &e) {
		e.Line = line
	}
	return err
}

// About makes it a FamilyError.
func (e *InvalidError) About() (family, reason string) { return e.Family, e.Msg }

// Invalid returns an InvalidError about a family. It copies what it keeps of the
// name.
func Invalid(family, format string, args ...any) error { return invalid(family, format, args...) }

// invalid copies what it keeps, since the name may lie in the body of the push.
func invalid(family, format string, args ...any) error {
	return &InvalidError{Family: strings.Clone(excerpt.Of(family)), Msg: fmt.Sprintf(format, args...)}
}

// tooMany returns the error of a push that has more of something than a limit
// allows. limit is "" if no configuration can set it. family has the first one
// beyond the limit; only the errors of limits that are set name it.
func (l *Limits) tooMany(limit guard.Limit, what string, most int, family string) *guard.LimitError {
	over := &guard.LimitError{
		Limit: limit, At: l.Sources[limit], Err: ErrTooLarge,
		Says:   fmt.Sprintf("%v: it has more than %d %s", ErrTooLarge, most, what),
		Advice: "push fewer at once, or split it into several groups",
	}
	if over.At != "" {
		over.Says += ", the first one too many in family " + quoted(family)
	}
	return over
}

// quoted quotes a name for a message.
func quoted(s string) string { return fmt.Sprintf("%q", excerpt.Of(s)) }
