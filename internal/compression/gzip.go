package compression

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
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
}

// packedAtOnce is how much is written at once, in bytes.
const packedAtOnce = 32 << 10

var gzipWriters = sync.Pool{New: func() any {
	return &Gzip{w: bufio.NewWriterSize(nil, packedAtOnce), z: newFlate()}
}}

func newFlate() *flate.Writer {
	z, _ := flate.NewWriter(nil, flate.BestSpeed) // it fails only for a level that does not exist
	return z
}

func newGzip(w io.Writer) *Gzip {
	g := gzipWriters.Get().(*Gzip)
	g.w.Reset(w)
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
	z      *flate.Writer
	packed bytes.Buffer
}

var pieceMakers = sync.Pool{New: func() any { return &pieceMaker{z: newFlate()} }}

// PieceSizes implements Packer. Short pieces take 1.2 times as long as the whole at
// once. Long ones take as long as the whole, since flate makes codes for each 64 kB
// at most, and so will more of them be the same after a few changes than of even
// longer ones.
func (g *Gzip) PieceSizes() (short, long int) { return 24 << 10, 60 << 10 }

// Compress implements Packer.
func (g *Gzip) Compress(content, before []byte) (*Piece, error) {
	m := pieceMakers.Get().(*pieceMaker)
	defer pieceMakers.Put(m)
	m.packed.Reset()
	m.z.ResetDict(&m.packed, before)
	_, _ = m.z.Write(content) // a buffer takes everything
	_ = m.z.Flush()
	m.z.ResetDict(nil, nil) // otherwise it would keep what precedes the piece
	return &Piece{packed: bytes.Clone(m.packed.Bytes()), crc: crc32.ChecksumIEEE(content), shift: shiftOf(len(content)), size: len(content)}, nil
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
