package compression

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"pushgateway/internal/deflate"
)

// Gzip writes one gzip member.
type Gzip struct {
	w     *bufio.Writer // z writes few bytes at a time
	z     *flate.Writer
	open  bool // z writes to w, and has more to write
	begun bool // w has the header
	crc   uint32
	size  uint32
	err   error
	codes *deflate.Codes
}

// packedAtOnce is how much is written at once, in bytes.
const packedAtOnce = 32 << 10

var gzipWriters = sync.Pool{New: func() any {
	z, _ := flate.NewWriter(nil, flate.BestSpeed) // it fails only for a level that does not exist
	return &Gzip{w: bufio.NewWriterSize(nil, packedAtOnce), z: z}
}}

func newGzip(w io.Writer) *Gzip {
	g := gzipWriters.Get().(*Gzip)
	g.w.Reset(w)
	g.codes = new(deflate.Codes)
	return g
}

// begin writes the header.
func (g *Gzip) begin() error {
	if !g.begun {
		g.begun = true
		const fastest, unknownSystem = 4, 255
		_, g.err = g.w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, fastest, unknownSystem})
	}
	return g.err
}

// Coding implements Packer.
func (g *Gzip) Coding() string { return "gzip" }

// Write implements io.Writer.
func (g *Gzip) Write(b []byte) (n int, err error) {
	if err := g.begin(); err != nil {
		return 0, err
	}
	if !g.open {
		g.z.ResetDict(g.w, nil)
		g.open = true
	}
	g.crc, g.size = crc32.Update(g.crc, crc32.IEEETable, b), g.size+uint32(len(b))
	n, g.err = g.z.Write(b)
	return n, g.err
}

// endPart ends what Write has begun at the end of a byte.
func (g *Gzip) endPart() error {
	if g.open {
		g.open = false
		g.err = g.z.Flush()
	}
	return g.err
}

// pieceMaker is what one goroutine makes pieces with.
type pieceMaker struct {
	deflate.Encoder
	packed []byte // scratch
}

var pieceMakers = sync.Pool{New: func() any { return new(pieceMaker) }}

// PieceSize implements Packer.
func (g *Gzip) PieceSize() int { return 16 << 10 }

// Compress implements Packer.
func (g *Gzip) Compress(content, before []byte) (*Piece, error) {
	m := pieceMakers.Get().(*pieceMaker)
	defer pieceMakers.Put(m)
	m.packed = m.Encoder.Append(m.packed[:0], content, before, g.codes)
	return &Piece{packed: bytes.Clone(m.packed), crc: crc32.ChecksumIEEE(content), shift: shiftOf(len(content)), size: len(content)}, nil
}

// Append implements Packer.
func (g *Gzip) Append(p *Piece) error {
	if err := g.begin(); err != nil {
		return err
	}
	if err := g.endPart(); err != nil {
		return err
	}
	g.crc, g.size = combineCRC(g.crc, p.crc, p.shift), g.size+uint32(p.size)
	_, g.err = g.w.Write(p.packed)
	return g.err
}

// Close ends the member.
func (g *Gzip) Close() error {
	err := g.end()
	g.z.ResetDict(nil, nil)
	g.w.Reset(nil)
	*g = Gzip{w: g.w, z: g.z}
	gzipWriters.Put(g)
	return err
}

func (g *Gzip) end() error {
	if err := g.begin(); err != nil {
		return err
	}
	tail := []byte{3, 0} // an empty last block
	if g.open {
		tail = nil
		if err := g.z.Close(); err != nil {
			return err
		}
	}
	tail = binary.LittleEndian.AppendUint32(tail, g.crc)
	_, _ = g.w.Write(binary.LittleEndian.AppendUint32(tail, g.size))
	return g.w.Flush()
}
