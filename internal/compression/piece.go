package compression

import "io"

// Packer writes one compressed stream. Parts of it can be compressed once and used
// in many streams of the same coding. Only Compress is safe
// for concurrent use. It must not be used after Close.
type Packer interface {
	// Write compresses what is in no piece.
	io.WriteCloser
	// Coding returns the content coding, in lower case.
	Coding() string
	// PieceSizes returns how much content a short piece should have, in bytes, and a
	// long one. The longer it is, the more must be compressed again when some of it
	// changes, but short pieces take more time and room.
	PieceSizes() (short, long int)
	// Compress makes a piece of content. before is what precedes it in every stream
	// that has the piece, or the end of that, or empty. The piece may refer to it.
	// Compress is safe for concurrent use.
	Compress(content, before []byte) (*Piece, error)
	// Append writes a piece.
	Append(*Piece) error
}

// Piece is a part of a stream, compressed by itself. It is immutable.
type Piece struct {
	packed     []byte
	crc, shift uint32 // for gzip
	size       int
}

// Size returns the memory of a piece in bytes.
func (p *Piece) Size() int { return len(p.packed) }

// Content returns the number of bytes that a piece expands to.
func (p *Piece) Content() int { return p.size }
