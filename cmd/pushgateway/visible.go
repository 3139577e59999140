package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// What others have stored may hold characters that control a terminal: they
// move the cursor, change the title or reverse text. Output for people escapes
// them, like \x1b.

// acts reports whether a character may control a terminal. That includes bytes
// that are not UTF-8, which a terminal may interpret.
func acts(r rune, size int) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r == utf8.RuneError:
		return size == 1
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// written escapes a character for messages.
func written(char string) string {
	q := strconv.QuoteToASCII(char)
	return q[1 : len(q)-1]
}

// inText escapes a character for the text format, where a backslash must be
// escaped.
func inText(char string) string { return `\` + written(char) }

// inJSON escapes a character so that JSON readers get it back.
func inJSON(char string) string {
	r, _ := utf8.DecodeRuneInString(char)
	return fmt.Sprintf(`\u%04x`, r)
}

// visible escapes such characters in a message. It keeps newlines.
func visible(s string) string {
	var b strings.Builder
	w := visibleWriter{to: &b, write: written}
	_, _ = io.WriteString(&w, s) // writing to memory cannot fail
	_ = w.Close()
	return b.String()
}

// visibleLine is visible for text that must stay on one line and in one column.
func visibleLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(visible(s))
}

// visibleWriter escapes such characters in what is written to it, and passes it
// on. Close writes the rest, and does not close the other writer.
type visibleWriter struct {
	to    io.Writer
	write func(char string) string // escapes one character
	// changed reports whether it escaped any.
	changed bool

	rest []byte // the beginning of an incomplete character
}

func (v *visibleWriter) Write(b []byte) (int, error) {
	v.rest = append(v.rest, b...)
	in := v.rest
	out := make([]byte, 0, len(in))
	for len(in) > 0 && utf8.FullRune(in) {
		r, size := utf8.DecodeRune(in)
		out = v.append(out, in[:size], r)
		in = in[size:]
	}
	v.rest = append(v.rest[:0], in...)
	if _, err := v.to.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (v *visibleWriter) append(out, char []byte, r rune) []byte {
	if !acts(r, len(char)) {
		return append(out, char...)
	}
	v.changed = true
	return append(out, v.write(string(char))...)
}

// Close writes the beginning of a character that was never completed.
func (v *visibleWriter) Close() error {
	var out []byte
	for i := range v.rest {
		out = v.append(out, v.rest[i:i+1], utf8.RuneError)
	}
	v.rest = nil
	_, err := v.to.Write(out)
	return err
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
