package sniff

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
)

// FuzzHint wants a sentence or nothing of any body, and none of a client's bytes
// in it.
func FuzzHint(f *testing.F) {
	for _, body := range []string{
		"m 1\n", "{\"m\": 1}", "[1,", "\x03\x08m 1", "\xf0\xff\xff", "\x05\xfc\xff\xff\xff\x7f", "\x78\x9c", "\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x10\n\x01m\x18",
		"\xff\xfe", "m\x00 \x00", "%0A", "bSAxCg==", "a,b\nc,d", "m a=1", "name: \"m\"", "\xef\xbb\xbf{", "\"", "---\n", "é",
	} {
		f.Add([]byte(body), "application/x-protobuf", 3, true)
		f.Add([]byte(body), "application/x-www-form-urlencoded", 0, false)
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string, line int, protobuf bool) {
		text, proto := Format{Name: "text"}, Format{Name: "protobuf", ContentType: ProtobufType, Binary: true, Looks: IsProtobuf}
		sent := Sent{Header: http.Header{"Content-Type": {contentType}}, Body: body, As: text, Formats: []Format{proto, text}, Line: line}
		if protobuf {
			sent.As = proto
		}
		h := sent.Hint()
		if len(h.Says) > 300 || strings.ContainsFunc(h.Says, unicode.IsControl) || h.Enough && h.Says == "" {
			t.Fatalf("got %+v", h)
		}
	})
}
