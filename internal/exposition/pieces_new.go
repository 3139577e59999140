package exposition

import (
	"slices"
	"sync"

	"pushgateway/internal/compression"
)

// NewPiece is a piece that is to be compressed. Who compresses it also gathers its
// content: that takes as long, and longer if protobuf must be made.
type NewPiece struct {
	format    Format
	at, keeps int // as in Encoder, at its start
	blocks    []*Block
	size      int
	before    *Block // nil if nothing precedes the piece

	tables *pieceTables
	table  *pieceTable
	made   *packedRun
}

// Size returns the number of bytes of its content.
func (n *NewPiece) Size() int { return n.size }

// AppendContent appends the content to dst, and returns what precedes it, too.
// Neither may be changed.
func (n *NewPiece) AppendContent(dst []byte) (content, before []byte) {
	g := gatherers.Get().(*gatherer)
	defer g.release()
	g.Encoder.w, g.Encoder.format, g.Encoder.at, g.Encoder.keeps, g.content = g, n.format, n.at, n.keeps, dst
	for part := range slices.Chunk(n.blocks, ahead) {
		_, _ = g.writeBatch(part, g.stored) // memory takes everything
	}
	if n.before != nil {
		before = g.lasting(n.before, g.stored)
	}
	return g.content, before
}

// Keep keeps the piece for later scrapes, if there is room for it.
func (n *NewPiece) Keep(packed *compression.Piece) {
	if n.tables.takes(n.table, packed.Size()) {
		n.made.packed.Store(packed)
	}
}

// gatherer encodes to memory.
type gatherer struct {
	Encoder
	content []byte
}

var gatherers = sync.Pool{New: func() any { return new(gatherer) }}

// Write implements io.Writer.
func (g *gatherer) Write(b []byte) (int, error) {
	g.content = append(g.content, b...)
	return len(b), nil
}

// release allows others to use what g has allocated.
func (g *gatherer) release() {
	g.reader.reset()
	g.content = nil
	gatherers.Put(g)
}
