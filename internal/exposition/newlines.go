package exposition

import (
	"bytes"
	"slices"
)

// HasRightNewlines tells whether MendNewlines would change nothing.
func HasRightNewlines(body []byte) bool {
	return !bytes.Contains(body, []byte("\r\n")) && (len(body) == 0 || body[len(body)-1] == '\n')
}

// MendNewlines gives a text body with the line ends of the format, for
// senders that write CRLF or leave out the newline at the end. It changes
// nothing in a body that is right, and otherwise makes a copy.
func MendNewlines(body []byte) []byte {
	if bytes.Contains(body, []byte("\r\n")) {
		body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	}
	if n := len(body); n > 0 && body[n-1] != '\n' {
		body = append(slices.Clip(bytes.TrimSuffix(body, []byte("\r"))), '\n')
	}
	return body
}
