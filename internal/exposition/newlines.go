package exposition

import (
	"bytes"
	"slices"
)

// HasRightNewlines reports whether MendNewlines would change nothing.
func HasRightNewlines(body []byte) bool {
	return !bytes.Contains(body, []byte("\r\n")) && (len(body) == 0 || body[len(body)-1] == '\n')
}

// MendNewlines returns a text body with the line endings of the format, for
// senders that write CRLF or leave out the final newline. It returns a correct
// body unchanged, and otherwise a copy.
func MendNewlines(body []byte) []byte {
	if bytes.Contains(body, []byte("\r\n")) {
		body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	}
	if n := len(body); n > 0 && body[n-1] != '\n' {
		body = append(slices.Clip(bytes.TrimSuffix(body, []byte("\r"))), '\n')
	}
	return body
}
