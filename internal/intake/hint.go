package intake

import (
	"errors"
	"fmt"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/otlp"
	"pushgateway/internal/sniff"
)

// hintedError says first what a body most probably is, and then how parsing it
// failed, unless that adds nothing.
type hintedError struct {
	says   string
	enough bool
	error
}

func (e *hintedError) Unwrap() error { return e.error }

func (e *hintedError) Error() string {
	if e.enough {
		return e.says
	}
	return fmt.Sprintf("%s (%v)", e.says, e.error)
}

// hinted adds to the error of an unreadable body what the sender most probably
// did.
func hinted(r *Request, c content, err error) error {
	var syntax *exposition.SyntaxError
	if !errors.As(err, &syntax) && !isNoFamily(c, err) {
		return err
	}
	known, unknown := codingsOf(r.Header)
	sent := sniff.Sent{Header: r.Header, Body: c.bytes, Unpacked: len(known) > 0, As: c.Format, Formats: sniffed()}
	if syntax != nil {
		sent.Line = syntax.Line
	}
	hint := sent.Hint()
	if unknown != "" {
		hint = withCoding(hint, unknown, sniff.IsText(c.bytes))
	}
	if hint.Says == "" {
		return err
	}
	return &hintedError{hint.Says, hint.Enough, err}
}

// hintedExport is hinted for a request in the OpenTelemetry protocol, which may be
// packed in a way that its headers do not say, or that the gateway does not know.
func hintedExport(r *Request, body []byte, err error) error {
	if !errors.As(err, new(*otlp.SyntaxError)) {
		return err
	}
	known, unknown := codingsOf(r.Header)
	hint := sniff.Sent{Header: r.Header, Body: body, Unpacked: len(known) > 0}.Packed()
	if unknown != "" {
		hint = withCoding(hint, unknown, sniff.IsText(body))
	}
	if hint.Says == "" {
		return err
	}
	return &hintedError{hint.Says, hint.Enough, err}
}

// withCoding adds that the body has a coding that was not decoded. For a body
// that is not text, that is explanation enough.
func withCoding(h sniff.Hint, coding string, isText bool) sniff.Hint {
	says := fmt.Sprintf("the gateway does not know the Content-Encoding %q; use gzip, zstd or framed snappy, or none", excerpt.Of(coding))
	if h.Says != "" && !h.Unreadable {
		says = h.Says + "; " + says
	}
	return sniff.Hint{Says: says, Enough: h.Enough || !isText}
}

// isNoFamily reports whether text was parsed as a binary format and happens to
// make sense.
func isNoFamily(c content, err error) bool {
	var invalid *exposition.InvalidError
	return c.Binary && errors.As(err, &invalid) && invalid.Family == "" && sniff.IsText(c.bytes)
}

// HintOfText says what a file most probably is that cannot be read as text.
// line is the line at which parsing stopped.
func HintOfText(file []byte, line int) sniff.Hint {
	return sniff.Sent{Body: file, Line: line, Formats: sniffed()}.Hint()
}

// notUnpacked explains why a body cannot be decompressed.
func notUnpacked(r *Request, packed []byte, err error) error {
	if r.export { // hints are for the formats of other pushes
		return badBody(err)
	}
	hint := sniff.Sent{Header: r.Header, Body: packed, Formats: sniffed()}.Hint()
	if err = badBody(err); hint.Enough {
		return &hintedError{says: hint.Says, error: err}
	}
	return err
}
