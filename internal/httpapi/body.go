package httpapi

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"sync/atomic"

	"pushgateway/internal/exposition"
)

// bodies reads bodies of pushes within bounds: each one, and all together.
type bodies struct {
	max      int64 // bytes of one body, after unpacking
	total    int64 // bytes of all bodies that are being worked on
	inflight atomic.Int64
	buffers  sync.Pool // of *[]byte
}

var (
	errTooLarge   = errors.New("the body is too large")
	errOverloaded = errors.New("too many bytes of pushes are being worked on; try again")
)

// body is one body in memory. Close gives its memory back.
type body struct {
	bytes    []byte
	received int64 // bytes as they came over the wire
	reserved int64
	from     *bodies
}

func (b *bodies) reserve(bd *body, n int64) error {
	if b.inflight.Add(n) > b.total {
		b.inflight.Add(-n)
		return fmt.Errorf("%w (the bound is %d bytes, --push.max-inflight-bytes)", errOverloaded, b.total)
	}
	bd.reserved += n
	return nil
}

// Close gives back what the body took. Nothing may use its bytes any more.
func (bd *body) Close() {
	bd.from.inflight.Add(-bd.reserved)
	if cap(bd.bytes) <= keepBuffer {
		buf := bd.bytes[:0]
		bd.from.buffers.Put(&buf)
	}
	bd.bytes = nil
}

const (
	// minBuffer is where a buffer starts: most pushes fit. Nothing more is
	// made ready on the mere promise of a body.
	minBuffer = 16 << 10
	// keepBuffer is the largest that is kept for the next push. It counts as
	// taken before that one has sent anything.
	keepBuffer = 64 << 10
	// parsedSize is what reading and rendering a body takes at most, as a
	// multiple of it, as long as bounds of their own do not stop them before.
	parsedSize = 4
)

// read takes the whole body of a request, unpacked.
func (b *bodies) read(r *http.Request) (*body, error) {
	if r.ContentLength > b.max {
		return nil, b.tooLarge()
	}
	bd := &body{from: b}
	if buf, ok := b.buffers.Get().(*[]byte); ok {
		bd.bytes = *buf
	}
	if err := b.fill(bd, r); err != nil {
		bd.Close()
		return nil, err
	}
	return bd, nil
}

func (b *bodies) fill(bd *body, r *http.Request) error {
	if err := b.reserve(bd, int64(cap(bd.bytes))); err != nil {
		return err
	}
	received := &countingReader{r: r.Body}
	in, err := exposition.Unpack(r.Header.Get("Content-Encoding"), received)
	if err != nil {
		return badBody(err)
	}
	defer in.Close()
	if err := b.grow(bd, minBuffer); err != nil {
		return err
	}
	for {
		if len(bd.bytes) == cap(bd.bytes) {
			if err := b.grow(bd, 2*int64(cap(bd.bytes))); err != nil {
				return err
			}
		}
		n, err := in.Read(bd.bytes[len(bd.bytes):cap(bd.bytes)])
		bd.bytes = bd.bytes[:len(bd.bytes)+n]
		if int64(len(bd.bytes)) > b.max {
			return b.tooLarge()
		}
		if err == io.EOF {
			bd.received = received.n
			return b.reserveParsing(bd)
		}
		if err != nil {
			return badBody(fmt.Errorf("reading the body%s after %d bytes: %w", packedAs(r), len(bd.bytes), err))
		}
	}
}

// reserveParsing counts what the body is going to take beyond its own bytes. A
// body that would need more than all there is may come alone.
func (b *bodies) reserveParsing(bd *body) error {
	n := min(parsedSize*int64(len(bd.bytes)), b.total-bd.reserved)
	return b.reserve(bd, max(n, 0))
}

// packedAs says, for messages, how the body was packed.
func packedAs(r *http.Request) string {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
		return fmt.Sprintf(" (Content-Encoding %q)", encoding)
	}
	return ""
}

// grow makes room for n bytes, but for no more than what is allowed.
func (b *bodies) grow(bd *body, n int64) error {
	n = min(n, b.max+1, math.MaxInt)
	if n <= int64(cap(bd.bytes)) {
		return nil
	}
	if err := b.reserve(bd, n-int64(cap(bd.bytes))); err != nil {
		return err
	}
	bd.bytes = append(make([]byte, 0, n), bd.bytes...)
	return nil
}

func (b *bodies) tooLarge() error {
	return fmt.Errorf("%w: it may have %d bytes after unpacking (--push.max-body-bytes); push less at once, or as several groups", errTooLarge, b.max)
}

// countingReader counts what comes over the wire.
type countingReader struct {
	r io.ReadCloser
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countingReader) Close() error { return c.r.Close() }
