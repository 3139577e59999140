package httpapi

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/guard"
)

// bodies reads the bodies of pushes within bounds: for each body, and for all
// together.
type bodies struct {
	max      int64         // bytes of one body, both compressed and uncompressed
	shares   *guard.Shares // bytes that all pushes in progress may take
	inflight *atomic.Int64 // bytes that they take
	grown    func()        // called when they take another growth
	buffers  sync.Pool     // of *[]byte
}

var errTooLarge = errors.New("the body is too large")

// body is one body in memory, and the budget of its push: whatever is made from
// it takes memory from there, until Close returns everything.
type body struct {
	bytes    []byte
	received int64 // bytes on the wire
	reserved int64 // of the lease
	lease    *guard.Lease
	from     *bodies
}

// minAlone is what a push may always take while there is no other, in bytes.
// With less, hardly any push would succeed.
const minAlone = 64 << 20

// growth is after how many further bytes grown is called.
const growth = 16 << 20

// Take counts bytes for the push. It returns ErrTooLarge if the push takes more
// than any push may, and ErrBusy if others take too much at present. If another
// client holds more, it first tries to end the slowest bodies of that client.
func (bd *body) Take(n int) error {
	b := bd.from
	if most := max(b.shares.Total(), minAlone); bd.reserved+int64(n) > most {
		return fmt.Errorf("%w: it needs more than %d bytes of memory (--push.max-inflight-bytes); push less at once, or split it into several groups", exposition.ErrTooLarge, most)
	}
	if bd.lease.Take(int64(n)) != nil {
		return b.busy()
	}
	bd.reserved += int64(n)
	if all := b.inflight.Add(int64(n)); all/growth != (all-int64(n))/growth {
		b.grown()
	}
	return nil
}

func (b *bodies) busy() error {
	return fmt.Errorf("%w (the limit is %d bytes, --push.max-inflight-bytes)", exposition.ErrBusy, b.shares.Total())
}

// Return returns some of them.
func (bd *body) Return(n int) {
	bd.lease.Give(int64(n))
	bd.from.inflight.Add(-int64(n))
	bd.reserved -= int64(n)
}

// Close returns what the push took. Nothing may use its bytes afterwards.
func (bd *body) Close() {
	bd.from.keep(bd.bytes)
	bd.from.inflight.Add(-bd.reserved)
	bd.lease.Close()
	bd.reserved = 0
	bd.bytes = nil
}

// keep keeps a small buffer for the next push.
func (b *bodies) keep(buf []byte) {
	if buf = buf[:0]; cap(buf) <= keepBuffer {
		b.buffers.Put(&buf)
	}
}

const (
	// minBuffer is the initial size of a buffer. Most pushes fit. The announced
	// length of a body allocates no more.
	minBuffer = 16 << 10
	// keepBuffer is the largest buffer that is kept for the next push. It counts
	// as taken even before that push has sent anything.
	keepBuffer = 64 << 10
)

// read reads and decompresses the whole body of a client's request.
func (b *bodies) read(w http.ResponseWriter, r *http.Request, client string) (*body, error) {
	if r.ContentLength > b.max {
		return nil, b.tooLarge()
	}
	bd := &body{from: b, lease: b.shares.Open(client)}
	if err := b.fill(bd, w, r); err != nil {
		bd.Close()
		return nil, err
	}
	return bd, nil
}

func (b *bodies) fill(bd *body, w http.ResponseWriter, r *http.Request) error {
	if err := b.receive(bd, w, r); err != nil {
		return err
	}
	bd.received = int64(len(bd.bytes))
	codings, _ := codingsOf(r.Header)
	if err := checkCodings(codings); err != nil {
		return err
	}
	for _, coding := range codings {
		if err := b.unpack(bd, r, coding); err != nil {
			return err
		}
	}
	return nil
}

// receive reads the body from the wire. While it does, the body can be ended to
// make room for others.
func (b *bodies) receive(bd *body, w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	bd.lease.Endable(func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
	err := b.gather(bd, r.Body, "reading the body")
	if !bd.lease.Keep() {
		return b.busy()
	}
	return err
}

// unpack replaces a compressed body by its content. The body is complete by
// then, so a client that sends the beginning of a body and waits does not hold
// the memory for decompression.
func (b *bodies) unpack(bd *body, r *http.Request, encoding string) error {
	packed := bd.bytes
	bd.bytes = nil
	defer b.giveBack(bd, packed)
	in, err := exposition.Unpack(encoding, packed)
	if err != nil {
		return notUnpacked(r, packed, err)
	}
	defer in.Close()
	return b.gather(bd, in, fmt.Sprintf("decompressing the body (Content-Encoding %q)", excerpt.Of(encoding)))
}

// giveBack releases a buffer that the body no longer needs.
func (b *bodies) giveBack(bd *body, buf []byte) {
	n := cap(buf)
	b.keep(buf)
	bd.Return(n)
}

// gather reads everything into a new buffer of the body, which counts as it
// grows. doing names the operation for errors.
func (b *bodies) gather(bd *body, in io.Reader, doing string) error {
	if buf, ok := b.buffers.Get().(*[]byte); ok {
		bd.bytes = *buf
	}
	if err := bd.Take(cap(bd.bytes)); err != nil {
		return err
	}
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
			return nil
		}
		if err != nil {
			return badBody(fmt.Errorf("%s after %d bytes: %w", doing, len(bd.bytes), err))
		}
	}
}

// grow makes room for n bytes, but for no more than allowed.
func (b *bodies) grow(bd *body, n int64) error {
	n = min(n, b.max+1, math.MaxInt)
	if n <= int64(cap(bd.bytes)) {
		return nil
	}
	if err := bd.Take(int(n)); err != nil {
		return err
	}
	before := cap(bd.bytes)
	bd.bytes = append(make([]byte, 0, n), bd.bytes...)
	bd.Return(before)
	return nil
}

func (b *bodies) tooLarge() error {
	return fmt.Errorf("%w: the limit is %d bytes, both compressed and uncompressed (--push.max-body-bytes); push less at once, or split it into several groups", errTooLarge, b.max)
}
