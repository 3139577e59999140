package scrape

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"pushgateway/internal/compression"
)

// pipeline collects small writes into few large ones, which another goroutine
// makes: while one buffer is compressed or sent, the next is filled. It is not
// safe for concurrent use.
type pipeline struct {
	buf    []byte
	n      int64 // bytes written so far
	full   chan filled
	free   chan []byte
	done   chan struct{}
	failed atomic.Pointer[error]
	way    *giveWay
	begun  time.Time // when filling the buffer began
	// packing is nil if pieces make no sense.
	packing *packing
}

// filled is a full buffer.
type filled struct {
	buf   []byte
	parts []part // the pieces in it, in order
}

const (
	pipelineBuffers = 4
	pipelineSize    = 512 << 10 // bytes of one buffer: each costs two system calls, and waking two threads
)

var pipelineMemory = sync.Pool{New: func() any { return new([pipelineBuffers][pipelineSize]byte) }}

// newPipeline starts a pipeline to w, which gives way to pushes. Close it in the
// end.
func newPipeline(w io.Writer, way *giveWay) *pipeline {
	p := &pipeline{
		full:  make(chan filled, pipelineBuffers),
		free:  make(chan []byte, pipelineBuffers),
		done:  make(chan struct{}),
		way:   way,
		begun: time.Now(),
	}
	memory := pipelineMemory.Get().(*[pipelineBuffers][pipelineSize]byte)
	p.buf = memory[0][:0]
	for i := 1; i < pipelineBuffers; i++ {
		p.free <- memory[i][:0]
	}
	write := func(f filled) error {
		_, err := w.Write(f.buf)
		return err
	}
	if g, ok := w.(compression.Packer); ok {
		write = func(f filled) error { return f.pack(g, way) }
		p.packing = &packing{pipeline: p, packer: g}
	}
	go func() {
		defer close(p.done)
		defer pipelineMemory.Put(memory)
		p.drain(write)
	}()
	return p
}

// drain writes full buffers until there are no more. After a failure it only
// returns buffers.
func (p *pipeline) drain(write func(filled) error) {
	for f := range p.full {
		if p.failed.Load() == nil {
			begin := time.Now()
			if err := write(f); err != nil {
				p.failed.Store(&err)
			}
			if p.packing == nil { // otherwise it has rested after each piece
				p.way.rest(time.Since(begin))
			}
		}
		p.free <- f.buf[:0]
	}
}

// Write copies b. It fails if an earlier write has failed.
func (p *pipeline) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), cap(p.buf)-len(p.buf))
		p.buf = append(p.buf, rest[:n]...)
		rest = rest[n:]
		if len(p.buf) == cap(p.buf) {
			p.pass()
		}
	}
	p.n += int64(len(b))
	return len(b), p.err()
}

// pass passes the buffer on, and begins the next.
func (p *pipeline) pass() {
	p.full <- filled{p.buf, p.packing.take()}
	runtime.Gosched() // otherwise this goroutine would fill all buffers before the other one starts
	p.way.rest(time.Since(p.begun))
	p.buf = <-p.free
	p.begun = time.Now()
}

// writer returns what an encoder writes to.
func (p *pipeline) writer() io.Writer {
	if p.packing != nil {
		return p.packing
	}
	return p
}

func (p *pipeline) err() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Close writes what is left, waits, and reports whether everything was written.
// It may be called twice.
func (p *pipeline) Close() error {
	if p.buf != nil {
		p.full <- filled{p.buf, p.packing.take()}
		close(p.full)
		p.buf = nil
	}
	<-p.done
	return p.err()
}
