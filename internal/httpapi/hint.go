package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"pushgateway/internal/exposition"
)

// hinted adds, to the error of a body that could not be read, what the sender
// most probably did.
func hinted(r *http.Request, body []byte, err error) error {
	var syntax *exposition.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	if hint := hintOf(r.Header, body); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

// magics are how compressed data begins: RFC 1952, RFC 8878.
var magics = map[string][]byte{"gzip": {0x1f, 0x8b}, "zstd": {0x28, 0xb5, 0x2f, 0xfd}}

func hintOf(h http.Header, body []byte) string {
	for encoding, magic := range magics {
		if bytes.HasPrefix(body, magic) {
			return fmt.Sprintf("the body is compressed with %s: send the header Content-Encoding: %[1]s", encoding)
		}
	}
	mediaType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case mediaType == "multipart/form-data":
		return "the body is a form: with curl, use --data-binary instead of -F"
	case strings.HasSuffix(mediaType, "json"):
		return "the body is JSON, as its Content-Type says: push the text format of Prometheus instead"
	case mediaType == "application/x-www-form-urlencoded" && !bytes.HasSuffix(body, []byte("\n")):
		return "with curl, use --data-binary instead of -d, which takes newlines away, as $(…) does with the last one"
	}
	return ""
}
