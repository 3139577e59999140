package scrape

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"pushgateway/internal/compression"
)

// packing is a pipeline whose content is compressed in pieces. It is an
// exposition.PieceWriter. The goroutine that writes also compresses, and has
// others help it.
type packing struct {
	*pipeline
	packer compression.Packer
	parts  []part // the pieces in the present buffer
	start  int    // of the present piece, in the buffer
	ready  int    // bytes of the compressed pieces among parts
}

// part is a piece and its place in a buffer.
type part struct {
	start, end int
	packed     *compression.Piece // nil if it must be compressed
	before     []byte
	keep       func(*compression.Piece)
}

// packedAtOnce is how many bytes of pieces are compressed while the next ones are
// gathered: with less there would be more waking of threads than work, and with
// more one of them would wait for the other.
const packedAtOnce = 128 << 10

// Coding implements exposition.PieceWriter.
func (p *packing) Coding() string { return p.packer.Coding() }

// PieceSize implements exposition.PieceWriter.
func (p *packing) PieceSize() int { return p.packer.PieceSize() }

// take returns the pieces of the present buffer, which is passed on. It is safe
// on nil.
func (p *packing) take() []part {
	if p == nil {
		return nil
	}
	parts := p.parts
	p.parts, p.ready = nil, 0
	return parts
}

// StartPiece implements exposition.PieceWriter. A piece lies in one buffer.
func (p *packing) StartPiece(size int) bool {
	if size >= cap(p.buf) {
		return false
	}
	if len(p.buf)+size >= cap(p.buf) {
		p.pass()
	}
	p.start = len(p.buf)
	return true
}

// EndPiece implements exposition.PieceWriter.
func (p *packing) EndPiece(before []byte, keep func(*compression.Piece)) {
	p.parts = append(p.parts, part{start: p.start, end: len(p.buf), before: before, keep: keep})
	if len(p.buf) >= packedAtOnce {
		p.pass()
	}
}

// WritePiece implements exposition.PieceWriter.
func (p *packing) WritePiece(piece *compression.Piece) error {
	at := len(p.buf)
	p.parts = append(p.parts, part{start: at, end: at, packed: piece})
	p.n += int64(piece.Content())
	if p.ready += piece.Size(); p.ready >= pipelineSize {
		p.pass()
	}
	return p.err()
}

// pack compresses a buffer.
func (f filled) pack(g compression.Packer, way *giveWay) error {
	if err := f.compress(g, way); err != nil {
		return err
	}
	at := 0
	for _, part := range f.parts {
		if part.start > at {
			if _, err := g.Write(f.buf[at:part.start]); err != nil {
				return err
			}
		}
		if err := g.Append(part.packed); err != nil {
			return err
		}
		at = part.end
	}
	if at == len(f.buf) {
		return nil
	}
	_, err := g.Write(f.buf[at:])
	return err
}

// compress compresses the pieces that are not, several at once unless pushes are
// under way.
func (f filled) compress(g compression.Packer, way *giveWay) error {
	var anew []*part
	for i := range f.parts {
		if f.parts[i].packed == nil {
			anew = append(anew, &f.parts[i])
		}
	}
	var next atomic.Int64
	work := func() error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(anew) {
				return nil
			}
			begin := time.Now()
			if err := anew[i].compress(f.buf, g); err != nil {
				return err
			}
			way.rest(time.Since(begin))
		}
	}
	helpers := min(runtime.GOMAXPROCS(0), len(anew)) - 1
	if way.asked() {
		helpers = 0
	}
	var group errgroup.Group
	for range helpers {
		group.Go(work)
	}
	return errors.Join(work(), group.Wait())
}

func (p *part) compress(buf []byte, g compression.Packer) (err error) {
	if p.packed, err = g.Compress(buf[p.start:p.end], p.before); err == nil {
		p.keep(p.packed)
	}
	return err
}
