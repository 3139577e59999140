package attack

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestSmuggling sends requests that a proxy may take apart in another way than
// the gateway does: whatever a client hides in one must not be done.
func TestSmuggling(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api")
	const chunked = "Transfer-Encoding: chunked\r\n"
	const hidden = "PUT /metrics/job/hidden HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nm 1\n"
	const inChunks = "4\r\nm 1\n\r\n0\r\n\r\n"
	for _, tt := range []struct {
		name, version, header, body string
		want                        int
	}{
		{"length alone", "1.1", "Content-Length: 4\r\n", "m 1\n", 200},
		{"chunks alone", "1.1", chunked, inChunks, 200},
		{"chunks with an extension and a trailer", "1.1", chunked, "4;a=b\r\nm 1\n\r\n0\r\nX: y\r\n\r\n", 200},
		{"lengths that are the same", "1.1", "Content-Length: 4\r\nContent-Length: 4\r\n", "m 1\n", 200},
		{"length before chunks", "1.1", "Content-Length: 14\r\n" + chunked, inChunks, 400},
		{"length behind chunks", "1.1", chunked + "Content-Length: 14\r\n", inChunks, 400},
		{"length in other letters", "1.1", chunked + "cONTENT-lENGTH: 14\r\n", inChunks, 400},
		{"length of nothing", "1.1", "Content-Length: 0\r\n" + chunked, inChunks, 400},
		{"line ends without CR", "1.1", "Content-Length: 14\nTransfer-Encoding: chunked\n", inChunks, 400},
		{"chunks in HTTP/1.0", "1.0", "Connection: keep-alive\r\n" + chunked, inChunks, 400},
		{"chunks of another kind", "1.1", "Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n", "m 1\n", 400},
		{"chunks twice", "1.1", chunked + chunked, inChunks, 501},
		{"unknown encoding", "1.1", "Transfer-Encoding: gzip, chunked\r\n", inChunks, 501},
		{"lengths that differ", "1.1", "Content-Length: 4\r\nContent-Length: 5\r\n", "m 1\n", 400},
		{"list of lengths", "1.1", "Content-Length: 4, 4\r\n", "m 1\n", 400},
		{"negative length", "1.1", "Content-Length: -4\r\n", "m 1\n", 400},
		{"length with a sign", "1.1", "Content-Length: +4\r\n", "m 1\n", 400},
		{"folded length", "1.1", "Content-Length:\r\n 4\r\n", "m 1\n", 400},
		{"folded header", "1.1", "X: a\r\n b\r\nContent-Length: 4\r\n", "m 1\n", 400},
		{"blank before the colon", "1.1", "Content-Length : 4\r\n", "m 1\n", 400},
		{"CR in a header", "1.1", "X: a\rContent-Length: 0\r\nContent-Length: 4\r\n", "m 1\n", 400},
		{"NUL in a header", "1.1", "X: a\x00\r\nContent-Length: 4\r\n", "m 1\n", 400},
		{"chunk size that is none", "1.1", chunked, "x\r\nm 1\n\r\n0\r\n\r\n", 400},
		{"chunk size with a bare LF", "1.1", chunked, "4\nm 1\n\r\n0\r\n\r\n", 400},
		{"chunk that is longer", "1.1", chunked, "3\r\nm 1\n\r\n0\r\n\r\n", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for before, prior := range map[string]string{"": "", " after another": "PUT /metrics/job/prior HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\np 1\n"} {
				c := g.connect(attacker)
				send(c, prior+"PUT /metrics/job/a HTTP/"+tt.version+"\r\nHost: a\r\n"+tt.header+"\r\n"+tt.body)
				answers := readAll(c)
				_, last, _ := strings.Cut(answers, "\r\n\r\n")
				if prior == "" {
					last = answers
				}
				if !strings.HasPrefix(last, fmt.Sprintf("HTTP/1.1 %d ", tt.want)) && !strings.HasPrefix(last, fmt.Sprintf("HTTP/1.0 %d ", tt.want)) {
					t.Errorf("%s%s: got %q, want %d", tt.name, before, clip(answers), tt.want)
				}
			}
			if tt.want == 200 {
				return
			}
			c := g.connect(attacker)
			send(c, "PUT /metrics/job/a HTTP/"+tt.version+"\r\nHost: a\r\n"+tt.header+"\r\n"+tt.body+hidden)
			readAll(c)
			if text := g.want(http.StatusOK, http.MethodGet, "/metrics", ""); strings.Contains(text, `job="hidden"`) {
				t.Error("the hidden push was done")
			}
		})
	}
}

// readAll reads answers until there are no more for a while, or the end.
func readAll(c net.Conn) (all string) {
	for {
		part := readFor(c, shortly)
		all += part
		if part == "" {
			return all
		}
	}
}
