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

// What others have stored may hold characters that do something to a terminal:
// move the cursor, change a title, turn text around. Here they are written out,
// like \x1b, where people read.

// acts tells of a character that it does something to a terminal. Of a byte
// that is not UTF-8 nobody knows, and a terminal may.
func acts(r rune, size int) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r == utf8.RuneError:
		return size == 1
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// written is how messages write a character out.
func written(char string) string {
	q := strconv.QuoteToASCII(char)
	return q[1 : len(q)-1]
}

// inText is written for the text format, which takes no backslash alone.
func inText(char string) string { return `\` + written(char) }

// inJSON writes a character so that it is read as the same one.
func inJSON(char string) string {
	r, _ := utf8.DecodeRuneInString(char)
	return fmt.Sprintf(`\u%04x`, r)
}

// visible is a message with such characters written out; its lines stay.
func visible(s string) string {
	var b strings.Builder
	w := visibleWriter{to: &b, write: written}
	_, _ = io.WriteString(&w, s) // nothing can go wrong in memory
	_ = w.Close()
	return b.String()
}

// visibleLine is visible for what must stay on one line, and in one column.
func visibleLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(visible(s))
}

// visibleWriter writes to another writer what comes, with such characters
// written out. Close writes what is left, and leaves the other writer open.
type visibleWriter struct {
	to    io.Writer
	write func(char string) string // one character out
	// changed tells that one was.
	changed bool

	rest []byte // the beginning of a character
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

// Close writes the beginning of a character that never came.
func (v *visibleWriter) Close() error {
	var out []byte
	for i := range v.rest {
		out = v.append(out, v.rest[i:i+1], utf8.RuneError)
	}
	v.rest = nil
	_, err := v.to.Write(out)
	return err
}

// isTerminal tells whether people read what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
