// Package excerpt prepares what clients have sent for log lines, errors and
// answers: it shows only the beginning, and escapes what could control the
// reader's terminal or page.
package excerpt

import (
	"strconv"
	"unicode/utf8"
)

const (
	// Most is how many bytes of one name, value or path of a client are shown.
	Most = 200
	// MostMessage is the maximum size of a message made from such parts, in
	// bytes.
	MostMessage = 2000
	// mark stands in the place of what was cut off.
	mark = "…"
)

// Of returns the beginning of s in whole characters, followed by a mark if
// there is more. Format it with %q, which escapes control characters.
func Of(s string) string { return cut(s, Most) }

// Line is Of for texts that are shown without quotes: it escapes invisible
// characters, and those that would end the line or reverse it, as in a Go
// string. The result may exceed most by a few bytes.
func Line(s string, most int) string {
	for i, r := range s {
		if i >= most {
			break
		}
		if !printed(s[i:], r) {
			return written(s, most)
		}
	}
	return cut(s, most)
}

// Message is Line for a whole message.
func Message(err error) string { return Line(err.Error(), MostMessage) }

// printed reports whether the first character of s, which is r, can be shown as
// it is. A byte that is not UTF-8 cannot.
func printed(s string, r rune) bool {
	return strconv.IsPrint(r) && (r != utf8.RuneError || len(s) >= 3 && s[:3] == "\uFFFD")
}

// written escapes s, which cannot be shown.
func written(s string, most int) string {
	b := make([]byte, 0, min(len(s), most)+len(mark)+16)
	for len(s) > 0 {
		if len(b) >= most {
			return string(b) + mark
		}
		r, size := utf8.DecodeRuneInString(s)
		if printed(s, r) {
			b = append(b, s[:size]...)
		} else {
			quoted := strconv.Quote(s[:size])
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		s = s[size:]
	}
	return string(b)
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for i := most; i > most-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i] + mark
		}
	}
	return s[:most] + mark
}
