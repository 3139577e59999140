package intake

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"pushgateway/internal/compression"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
)

// bodies reads the bodies of pushes within bounds: for each body, and for all
// together.
type bodies struct {
	memory *guard.Memory
	// unpacking gives turns to bodies that are decompressed, one for each processor,
	// since the memory for that, mostly zstd windows, is not counted with the bodies.
	unpacking *guard.Shares
	buffers   sync.Pool // of *[]byte
}

// body is one body in memory, and the budget of its push: whatever is made from
// it takes memory from there, until Close returns everything.
type body struct {
	*guard.Budget
	bytes    []byte
	received int64 // bytes on the wire
	limits   guard.BodyLimits
	from     *bodies
}

// Close returns what the push took. Nothing may use its bytes afterwards.
func (bd *body) Close() {
	bd.from.keep(bd.bytes)
	bd.Budget.Close()
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

// read reads and decompresses the whole body of a request. ctx ends when the client
// leaves.
func (b *bodies) read(ctx context.Context, r *Request) (*body, error) {
	limits := r.Settings.Limits.Body
	if r.Length > limits.Bytes {
		return nil, tooLarge(limits)
	}
	bd := &body{from: b, limits: limits, Budget: b.memory.Open(r.Client)}
	if err := b.fill(ctx, bd, r); err != nil {
		bd.Close()
		return nil, err
	}
	return bd, nil
}

func (b *bodies) fill(ctx context.Context, bd *body, r *Request) error {
	arrived := time.Now()
	if err := b.receive(bd, r); err != nil {
		return err
	}
	bd.received = int64(len(bd.bytes))
	codings, _ := codingsOf(r.Header)
	if err := checkCodings(codings, bd.limits); err != nil {
		return err
	}
	if len(codings) == 0 {
		return nil
	}
	turn := b.unpacking.Open(r.Client)
	defer turn.Close()
	waits, end := unlessGone(ctx, arrived)
	defer end()
	if turn.Wait(waits, 1) != nil {
		return gone(ctx, arrived)
	}
	for i, coding := range codings {
		if err := b.unpack(bd, r, coding, i < len(codings)-1); err != nil {
			return err
		}
	}
	return nil
}

// receive reads the body from the wire. While it does, the body can be ended to
// make room for others.
func (b *bodies) receive(bd *body, r *Request) error {
	return bd.Arriving(r.Cut, func() error { return b.gather(bd, r.Body, "reading the body") })
}

// unpack replaces a compressed body by its content. The body is complete by
// then, so a client that sends the beginning of a body and waits does not hold
// the memory for decompression. again means that the content is compressed, too.
func (b *bodies) unpack(bd *body, r *Request, encoding string, again bool) error {
	packed := bd.bytes
	bd.bytes = nil
	defer b.giveBack(bd, packed)
	in, err := compression.Unpack(encoding, packed)
	if err != nil {
		return notUnpacked(r, packed, err)
	}
	defer in.Close()
	from := io.Reader(in)
	if again {
		from = &hardlyGrows{in, mostGrowth*len(packed) + minBuffer}
	}
	return b.gather(bd, from, fmt.Sprintf("decompressing the body (Content-Encoding %q)", excerpt.Of(encoding)))
}

// mostGrowth is how many times as large something compressed may become that was
// compressed once more. Compressing it again hardly makes it smaller, unless it is made
// to cost much.
const mostGrowth = 16

// hardlyGrows reads something compressed, and fails if that is too large.
type hardlyGrows struct {
	io.Reader
	left int // bytes that may follow
}

func (h *hardlyGrows) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if h.left -= n; h.left < 0 {
		return n, fmt.Errorf("what was compressed twice is more than %d times as large; compress the body once", mostGrowth)
	}
	return n, err
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
		if int64(len(bd.bytes)) > bd.limits.Bytes {
			return tooLarge(bd.limits)
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
	n = min(n, bd.limits.Bytes+1, math.MaxInt)
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

func tooLarge(l guard.BodyLimits) error {
	return &guard.LimitError{
		Limit: guard.LimitBodyBytes, At: l.Sources[guard.LimitBodyBytes], Err: ErrBodyTooLarge,
		Says:   fmt.Sprintf("%v: the limit is %d bytes, both compressed and uncompressed", ErrBodyTooLarge, l.Bytes) + bodyFlag(l),
		Advice: "push less at once, or split it into several groups",
	}
}

// bodyFlag names the flag that sets the limit of a body, unless the configuration
// does.
func bodyFlag(l guard.BodyLimits) string {
	if l.Sources[guard.LimitBodyBytes] != "" {
		return ""
	}
	return " (--push.max-body-bytes)"
}
