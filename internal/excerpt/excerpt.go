// Package excerpt shows what clients have sent in log lines, errors and
// answers: only the beginning of it, and nothing that does something to the
// terminal or the page of who reads it.
package excerpt

import (
	"strconv"
	"unicode/utf8"
)

const (
	// Most is how many bytes of a client's one name, value or path are shown.
	Most = 200
	// MostMessage is how many bytes a message may have that is put together of
	// such.
	MostMessage = 2000
	// mark stands where something was cut off.
	mark = "…"
)

// Of gives the beginning of s, up to a whole character, with a mark behind it
// if there is more. It is for %q, which writes control characters out.
func Of(s string) string { return cut(s, Most) }

// Line is Of for texts that are shown without quotes: what cannot be seen, or
// would end the line or turn it around, is written as in a Go string. The
// result has at most some bytes more than most.
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

// printed tells whether the first character of s, which is r, can stand as it
// is. A byte that is not UTF-8 cannot.
func printed(s string, r rune) bool {
	return strconv.IsPrint(r) && (r != utf8.RuneError || len(s) >= 3 && s[:3] == "\uFFFD")
}

// written writes s out in the place of what cannot be printed.
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
