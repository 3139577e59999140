package connections

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"time"

	"pushgateway/internal/excerpt"
)

// bare is the answer of net/http to a request that it cannot read.
const bare = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"

// How long, and how much, to read of what a client is still sending before
// closing its connection: closing with unread bytes can discard the answer.
const (
	lingering = 500 * time.Millisecond
	maxLinger = 256 << 10
)

// Write adds the reason to the answer of net/http to a request that was refused
// here. The server reads nothing while it writes that answer, so the framing
// can be read without a lock.
func (c *conn) Write(b []byte) (int, error) {
	if string(b) != bare {
		return c.Conn.Write(b)
	}
	reason := cmp.Or(c.failed, c.head.unread)
	if reason == nil {
		return c.Conn.Write(b)
	}
	if _, err := io.WriteString(c.Conn, bare+": "+excerpt.Message(reason)+"\n"); err != nil {
		return 0, err
	}
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, c.Conn, maxLinger)
	return len(b), nil
}

// checkTarget returns an error for a request line whose path net/http cannot
// read. It leaves other invalid lines to net/http.
func checkTarget(line []byte) error {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	end := bytes.LastIndexByte(rest, ' ')
	if end <= 0 || rest[0] != '/' {
		return nil
	}
	target := rest[:end]
	if bytes.IndexByte(target, ' ') >= 0 {
		return fmt.Errorf("the path %s contains a space; write %%20 for it", show(target))
	}
	path, _, _ := bytes.Cut(target, []byte("?"))
	for i := bytes.IndexByte(path, '%'); i >= 0 && i < len(path); i++ {
		if path[i] == '%' && !isEscape(path[i:]) {
			return fmt.Errorf("the path %s has %s, which is not an escape; write %%25 for a %%", show(path), show(path[i:min(i+len("%00"), len(path))]))
		}
	}
	return nil
}

func isEscape(b []byte) bool { return len(b) > 2 && isHex(b[1]) && isHex(b[2]) }

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func show(b []byte) string { return excerpt.Line(string(b), excerpt.Most) }
