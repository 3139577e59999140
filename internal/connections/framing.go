package connections

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"pushgateway/internal/guard"
)

// handshake is the first byte of TLS, which no request starts with.
const handshake = 22

var (
	errSmuggling = errors.New("the header has both Content-Length and Transfer-Encoding, or Transfer-Encoding before HTTP/1.1, so a proxy could find another end of the body; send one of them, over HTTP/1.1")
	errLength    = errors.New("Content-Length in the header is not a number of bytes, or occurs twice with different values; send it once, or send chunks")
	errFolding   = errors.New("a line of the header begins with whitespace; write each field of the header on one line")
	errFraming   = errors.New("the body is not in chunks, as Transfer-Encoding in the header says; leave out that header and send Content-Length")
)

// framing follows the bytes that an HTTP/1 client sends, to find headers that
// proxies and net/http would interpret in different ways. net/http removes
// Content-Length if there is a Transfer-Encoding, so no handler could see both.
type framing struct {
	limits *guard.ConnectionLimits
	part   part
	line   []byte // the beginning of an incomplete line
	left   int64  // bytes left of the body, or of the chunk and its end
	next   part   // what follows these bytes
	lines  int    // of the header
	head   head
	failed error
}

// part is what the next bytes belong to.
type part int

const (
	atStart part = iota
	inHeader
	inBody
	atChunk
	inChunk
	inTrailer
	isTLS // cannot be followed
)

// head is what was found in a header.
type head struct {
	version1_1, length, encoding bool
	bytes                        int64 // of the body, by Content-Length
	unread                       error // why net/http refuses the request line
}

// Read returns an error for a request to be refused, which net/http answers
// with 400. Write adds the reason.
func (c *conn) Read(b []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	n, err := c.Conn.Read(b)
	n, c.failed = c.follow(b[:n])
	if c.failed != nil {
		err = c.failed
	}
	return n, err
}

// follow processes what was read. It returns how much of it is good.
func (f *framing) follow(b []byte) (n int, err error) {
	for n < len(b) && f.part != isTLS {
		switch f.part {
		case inBody, inChunk:
			skip := min(f.left, int64(len(b)-n))
			n += int(skip)
			if f.left -= skip; f.left == 0 {
				f.part = f.next
			}
		default:
			k, err := f.followLine(b[n:])
			if err != nil {
				return n, err
			}
			n += k
		}
	}
	return len(b), nil
}

// followLine takes the rest of a line, or what there is of it.
func (f *framing) followLine(b []byte) (n int, err error) {
	if f.part == atStart && len(f.line) == 0 && b[0] == handshake {
		f.part = isTLS
		return len(b), nil
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(f.line)+len(b) > f.limits.HeaderBytes {
			return 0, fmt.Errorf("a line of the header has more than %d bytes; send a shorter one", f.limits.HeaderBytes)
		}
		f.line = append(f.line, b...)
		return len(b), nil
	}
	line := b[:end]
	if len(f.line) > 0 {
		line = append(f.line, line...)
	}
	err = f.take(bytes.TrimSuffix(line, []byte("\r")))
	f.line = nil
	return end + 1, err
}

func (f *framing) take(line []byte) error {
	switch f.part {
	case atStart:
		if len(line) > 0 { // otherwise an old client has sent an extra line
			f.part, f.lines, f.head = inHeader, 0, head{version1_1: bytes.HasSuffix(line, []byte(" HTTP/1.1")), unread: checkTarget(line)}
		}
	case inHeader:
		return f.takeHeader(line)
	case atChunk:
		return f.takeChunk(line)
	case inTrailer:
		if len(line) == 0 {
			f.part = atStart
		}
		return f.count()
	}
	return nil
}

func (f *framing) count() error {
	if f.lines++; f.lines > f.limits.HeaderLines {
		return fmt.Errorf("the header has more than %d lines; send fewer", f.limits.HeaderLines)
	}
	return nil
}

func (f *framing) takeHeader(line []byte) error {
	if f.head.unread != nil {
		return f.head.unread
	}
	if len(line) == 0 {
		return f.endHeader()
	}
	if line[0] == ' ' || line[0] == '\t' {
		return errFolding
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.ParseInt(string(bytes.Trim(value, " \t")), 10, 64)
		if err != nil || n < 0 || f.head.length && n != f.head.bytes {
			return errLength
		}
		f.head.length, f.head.bytes = true, n
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		f.head.encoding = true
	}
	return f.count()
}

// endHeader decides what follows a header.
func (f *framing) endHeader() error {
	switch h := f.head; {
	case h.encoding && (h.length || !h.version1_1):
		return errSmuggling
	case h.encoding:
		f.part, f.lines = atChunk, 0
	case h.bytes > 0:
		f.part, f.left, f.next = inBody, h.bytes, atStart
	default:
		f.part = atStart
	}
	return nil
}

// takeChunk reads the line before a chunk.
func (f *framing) takeChunk(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(bytes.Trim(size, " \t")), 16, 63)
	if err != nil || n > math.MaxInt64-2 {
		return errFraming
	}
	if n == 0 {
		f.part = inTrailer
		return nil
	}
	f.part, f.left, f.next = inChunk, int64(n)+int64(len("\r\n")), atChunk
	return nil
}
