package compression

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Zstd writes one zstd frame, in blocks that refer to nothing before them, so that
// each piece has blocks of its own. It relies on the encoder's promise to itself,
// which its concurrent streams need as well: the first block of a frame uses no
// tables and no offsets of an earlier block. Several frames in a row would be
// simpler, but some readers stop after the first one. The frame has no checksum,
// as one cannot be put together from those of the pieces.
type Zstd struct {
	w       *bufio.Writer // pieces are small
	z       *zstd.Encoder
	begun   bool   // w has the header
	pending []byte // what no piece has, not compressed yet
	packed  []byte // scratch
	err     error
}

const (
	// zstdWindow is the window that readers need, in bytes. No block refers back
	// so far.
	zstdWindow = 1 << 20
	// maxPending is how much of what is in no piece is compressed at once.
	maxPending = zstdWindow / 2
)

var zstdWriters = sync.Pool{New: func() any {
	z, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), // it fails only for bad options
		zstd.WithWindowSize(zstdWindow), zstd.WithEncoderCRC(false))
	return &Zstd{w: bufio.NewWriterSize(nil, packedAtOnce), z: z}
}}

func newZstd(w io.Writer) *Zstd {
	z := zstdWriters.Get().(*Zstd)
	z.w.Reset(w)
	return z
}

// Coding implements Packer.
func (z *Zstd) Coding() string { return "zstd" }

// Write implements io.Writer.
func (z *Zstd) Write(b []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	for rest := b; len(rest) > 0; {
		n := min(len(rest), maxPending-len(z.pending))
		z.pending, rest = append(z.pending, rest[:n]...), rest[n:]
		if len(z.pending) == maxPending {
			if err := z.endPart(); err != nil {
				return 0, err
			}
		}
	}
	return len(b), nil
}

// send writes compressed blocks, after the header.
func (z *Zstd) send(blocks []byte) error {
	if z.err == nil && !z.begun {
		z.begun = true
		// The descriptor says that there is neither a size nor a checksum. The window
		// is 2^(10+n) for a byte of n<<3.
		_, z.err = z.w.Write([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3})
	}
	if z.err == nil {
		_, z.err = z.w.Write(blocks)
	}
	return z.err
}

// endPart compresses what Write has left.
func (z *Zstd) endPart() error {
	if z.err != nil || len(z.pending) == 0 {
		return z.err
	}
	blocks, err := z.blocks(z.pending)
	if err != nil {
		z.err = err
		return err
	}
	z.pending = z.pending[:0]
	return z.send(blocks)
}

// blocks compresses content to blocks of which none is the last of a frame. They
// are valid until the next call.
func (z *Zstd) blocks(content []byte) ([]byte, error) {
	if len(content) == 0 {
		return nil, nil
	}
	z.packed = z.z.EncodeAll(content, z.packed[:0])
	var h zstd.Header
	if err := h.Decode(z.packed); err != nil {
		return nil, fmt.Errorf("reading the head of a frame: %w", err)
	}
	blocks := z.packed[h.HeaderSize:]
	reopen(blocks)
	return blocks, nil
}

// reopen marks the last block of a frame as one that others follow.
func reopen(blocks []byte) {
	const last, headSize, repeated = 1, 3, 1
	for at := 0; at < len(blocks); {
		head := uint32(blocks[at]) | uint32(blocks[at+1])<<8 | uint32(blocks[at+2])<<16
		blocks[at] &^= last
		size := int(head >> 3)
		if head>>1&3 == repeated {
			size = 1
		}
		at += headSize + size
	}
}

// PieceSizes implements Packer. Shorter pieces would be much larger, as they refer
// to nothing before them.
func (z *Zstd) PieceSizes() (short, long int) { return 32 << 10, 240 << 10 }

// Compress implements Packer. The piece refers to nothing before it.
func (z *Zstd) Compress(content, _ []byte) (*Piece, error) {
	other := zstdWriters.Get().(*Zstd)
	defer zstdWriters.Put(other)
	blocks, err := other.blocks(content)
	if err != nil {
		return nil, err
	}
	return &Piece{packed: bytes.Clone(blocks), size: len(content)}, nil
}

// Append implements Packer.
func (z *Zstd) Append(p *Piece) error {
	if err := z.endPart(); err != nil {
		return err
	}
	return z.send(p.packed)
}

// Close ends the frame with an empty block.
func (z *Zstd) Close() error {
	err := z.endPart()
	if err == nil {
		err = z.send([]byte{1, 0, 0})
	}
	if err == nil {
		err = z.w.Flush()
	}
	z.w.Reset(nil)
	*z = Zstd{w: z.w, z: z.z, pending: z.pending[:0], packed: z.packed[:0]}
	zstdWriters.Put(z)
	return err
}
