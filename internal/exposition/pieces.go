package exposition

import (
	"io"
	"iter"
	"slices"
	"sync/atomic"

	"pushgateway/internal/compression"
)

// PieceWriter compresses what is written to it, in pieces that other scrapes can
// use again.
type PieceWriter interface {
	io.Writer
	// Coding names how it compresses. Pieces of one coding are of no use for another.
	Coding() string
	// PieceSize returns how much content a piece should have, in bytes.
	PieceSize() int
	// StartPiece begins a piece of some bytes, which the next writes bring. If it
	// returns false, they are written as a part of no piece.
	StartPiece(size int) bool
	// EndPiece ends the piece, has it compressed later, and passes it to keep then,
	// perhaps in another goroutine. before is what was written before it; it must
	// not change.
	EndPiece(before []byte, keep func(*compression.Piece))
	// WritePiece writes what is already compressed.
	WritePiece(*compression.Piece) error
}

const (
	// minPiece is the size of the smallest piece in bytes, because each has a head of
	// its own.
	minPiece = 8 << 10
	// maxPiece is the size of the largest piece in bytes.
	maxPiece = 256 << 10
)

// piecer finds the pieces of one scrape, like joiner. It does not look at blocks
// that are where they were in the last scrape.
type piecer struct {
	tables *pieceTables
	old    *pieceTable
	next   *pieceTable // nil if another scrape is making one
	to     PieceWriter

	batch  []*Block   // the present piece
	like   *packedRun // of the last scrape, beginning with the same block
	same   bool       // equal to like, so far
	size   int        // of the content, if not the same
	sizeOf func(*Block) int
	before *Block // what precedes the piece; nil at the start of a family

	fetched uint64 // makes the compiler read identities before they are needed
}

// packedRun is a sequence of blocks of one family. It is immutable, but for the
// compressed content, which comes later.
type packedRun struct {
	blocks []uint64                          // their identities: pieces keep no block that was replaced
	before uint64                            // 0 at the start of a family
	packed atomic.Pointer[compression.Piece] // nil as long as it is not compressed
}

// lastID is the latest identity of a block.
var lastID atomic.Uint64

// identity returns a number that no other block of this process has, and that
// does not keep the block in memory. It is 0 if b is nil.
func (b *Block) identity() uint64 {
	if b == nil {
		return 0
	}
	if b.id.Load() == 0 {
		b.id.CompareAndSwap(0, lastID.Add(1))
	}
	return b.id.Load()
}

// writePieces writes the content of blocks, divided into the pieces of the last
// scrape if possible.
func (p *piecer) writePieces(blocks iter.Seq[*Block], e *Encoder, own func(*Block) []byte) error {
	p.before = nil
	var next [ahead]*Block
	n := 0
	for b := range blocks {
		next[n] = b
		if n++; n == ahead {
			if err := p.addAll(next[:], e, own); err != nil {
				return err
			}
			n = 0
		}
	}
	if err := p.addAll(next[:n], e, own); err != nil {
		return err
	}
	return p.flush(len(p.batch), e, own)
}

// addAll adds blocks, and writes the pieces that are complete. It reads all
// identities at once, since waiting for each takes longer than all the rest.
func (p *piecer) addAll(blocks []*Block, e *Encoder, own func(*Block) []byte) error {
	for _, b := range blocks {
		p.fetched += b.id.Load()
	}
	for _, b := range blocks {
		if p.endsAt(b) {
			if err := p.flush(len(p.batch), e, own); err != nil {
				return err
			}
		}
		p.add(b)
		if n := p.complete(); n > 0 {
			if err := p.flush(n, e, own); err != nil {
				return err
			}
		}
	}
	return nil
}

// endsAt reports whether the piece ends before a block, so that the next one
// begins where one of the last scrape did.
func (p *piecer) endsAt(b *Block) bool {
	return !p.same && p.size >= minPiece && p.old.starts[b.identity()] != nil
}

func (p *piecer) add(b *Block) {
	if len(p.batch) == 0 {
		p.like = p.old.starts[b.identity()]
		p.same = p.like != nil
	}
	if p.same && (len(p.batch) == len(p.like.blocks) || p.like.blocks[len(p.batch)] != b.identity()) {
		p.same, p.size = false, p.sizeOfAll(p.batch)
	}
	if p.batch = append(p.batch, b); !p.same {
		p.size += p.sizeOf(b)
	}
}

func (p *piecer) sizeOfAll(blocks []*Block) (size int) {
	for _, b := range blocks {
		size += p.sizeOf(b)
	}
	return size
}

// complete returns how many of the blocks so far are a piece, or 0. What is left
// can be a piece as well, if the next block begins one of the last scrape.
func (p *piecer) complete() int {
	if p.same {
		if len(p.batch) < len(p.like.blocks) {
			return 0
		}
		return len(p.batch)
	}
	full := p.to.PieceSize()
	if p.size < full+minPiece {
		return 0
	}
	n := 0
	for size := 0; size < full; n++ {
		size += p.sizeOf(p.batch[n])
	}
	return n
}

// flush writes a piece, the first n blocks so far, and starts the next one.
func (p *piecer) flush(n int, e *Encoder, own func(*Block) []byte) error {
	if n == 0 {
		return nil
	}
	blocks := p.batch[:n]
	err := p.write(blocks, e, own)
	p.before = blocks[n-1]
	p.batch = append(p.batch[:0], p.batch[n:]...)
	p.same, p.size = false, p.sizeOfAll(p.batch)
	return err
}

func (p *piecer) write(blocks []*Block, e *Encoder, own func(*Block) []byte) error {
	if p.same && len(blocks) == len(p.like.blocks) && p.like.before == p.before.identity() {
		if packed := p.like.packed.Load(); packed != nil {
			p.tables.keep(p.next, p.like, packed.Size())
			e.at += packed.Content()
			return p.to.WritePiece(packed)
		}
	}
	return p.writeNew(blocks, e, own)
}

// writeNew writes a piece, to be compressed by itself if that is worth it.
func (p *piecer) writeNew(blocks []*Block, e *Encoder, own func(*Block) []byte) error {
	made, size := &packedRun{before: p.before.identity()}, p.sizeOfAll(blocks)
	apart := size >= minPiece && size <= maxPiece
	if apart {
		for _, b := range blocks {
			made.blocks = append(made.blocks, b.identity())
		}
		apart = p.tables.keep(p.next, made, 0) && p.to.StartPiece(size)
	}
	for part := range slices.Chunk(blocks, ahead) {
		if _, err := e.writeBatch(part, own); err != nil {
			return err
		}
	}
	if !apart {
		return nil
	}
	var before []byte
	if p.before != nil {
		before = e.lasting(p.before, own)
	}
	tables, next := p.tables, p.next
	p.to.EndPiece(before, func(packed *compression.Piece) {
		if tables.takes(next, packed.Size()) {
			made.packed.Store(packed)
		}
	})
	return nil
}

// publish passes the pieces to the next scrape.
func (p *piecer) publish() { p.tables.publish(p.next) }

// abandon forgets the pieces, unless they are published.
func (p *piecer) abandon() { p.tables.abandon(p.next) }
