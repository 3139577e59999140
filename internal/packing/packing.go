// Package packing compresses what is sent and unpacks what has come, by the
// content codings of HTTP.
package packing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd stream can ask for.
const maxWindow = 8 << 20

var (
	gzipReaders sync.Pool // of *gzip.Reader
	zstdReaders sync.Pool // of *zstd.Decoder
)

// Known tells whether bodies with this Content-Encoding can be unpacked: gzip,
// snappy (framed) or zstd. Any other is taken for no encoding, as Pushgateway 1.11
// does.
func Known(encoding string) bool { return unpackers[encoding] != nil }

// Unpacker unpacks bodies. It is safe for concurrent use.
type Unpacker struct {
	// turns has a place for each body that is being unpacked: what that takes, most
	// of it the windows of zstd, is not counted with the bodies. More at once would
	// not be faster.
	turns chan struct{}
}

// NewUnpacker makes one that unpacks as many bodies at once as there are
// processors.
func NewUnpacker() *Unpacker {
	return &Unpacker{turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Open gives the content of a whole body with a Content-Encoding that is Known. It
// waits while others unpack: the reader is to be closed soon, whatever comes of
// it.
func (u *Unpacker) Open(encoding string, packed []byte) (io.ReadCloser, error) {
	if !begins(encoding, packed) {
		what := "is not " + encoding
		if len(packed) == 0 {
			what = "is empty, and not " + encoding
		}
		return nil, fmt.Errorf("the body %s, as its Content-Encoding says; pack it, or leave the header out", what)
	}
	u.turns <- struct{}{}
	in, err := unpackers[encoding](bytes.NewReader(packed))
	if err != nil {
		<-u.turns
		return nil, fmt.Errorf("unpacking %s: %w", encoding, err)
	}
	return turn{in, u}, nil
}

// begins tells whether a body starts as one of this encoding does. One without
// any content may have no bytes at all, but with gzip.
func begins(encoding string, packed []byte) bool {
	has := func(magic string) bool { return bytes.HasPrefix(packed, []byte(magic)) }
	switch encoding {
	case "gzip":
		return has("\x1f\x8b")
	case "snappy":
		return len(packed) == 0 || has("\xff\x06\x00\x00sNaPpY")
	}
	skippable := len(packed) >= 4 && packed[0]&0xf0 == 0x50 && string(packed[1:4]) == "\x2a\x4d\x18"
	return len(packed) == 0 || has("\x28\xb5\x2f\xfd") || skippable
}

var unpackers = map[string]func(*bytes.Reader) (io.ReadCloser, error){
	"gzip":   unpackGzip,
	"snappy": func(r *bytes.Reader) (io.ReadCloser, error) { return unpacked{snappy.NewReader(r), func() {}}, nil },
	"zstd":   unpackZstd,
}

// turn is the content of a body that is being unpacked.
type turn struct {
	io.ReadCloser
	from *Unpacker
}

// Close lets the next one begin.
func (t turn) Close() error {
	defer func() { <-t.from.turns }()
	return t.ReadCloser.Close()
}

// unpacked is a reader that Close makes ready for the next body.
type unpacked struct {
	io.Reader
	put func()
}

func (u unpacked) Close() error {
	u.put()
	return nil
}

func unpackGzip(r *bytes.Reader) (io.ReadCloser, error) {
	z, ok := gzipReaders.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	put := func() {
		r.Reset(nil) // z would hold the body
		gzipReaders.Put(z)
	}
	if err := z.Reset(r); err != nil {
		put()
		return nil, err
	}
	return unpacked{z, put}, nil
}

func unpackZstd(r *bytes.Reader) (io.ReadCloser, error) {
	z, ok := zstdReaders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
			return nil, err
		}
	}
	if err := z.Reset(r); err != nil {
		return nil, err
	}
	return unpacked{windowed{z}, func() {
		if z.Reset(nil) == nil {
			zstdReaders.Put(z)
		}
	}}, nil
}

// windowed says of a stream with too large a window how to do without.
type windowed struct{ *zstd.Decoder }

func (w windowed) Read(p []byte) (int, error) {
	n, err := w.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("it needs a window of more than %d MiB; pack it without --long and --ultra (%w)", maxWindow>>20, err)
	}
	return n, err
}

var (
	gzipWriters = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails only for a level that does not exist
		return z
	}}
	zstdWriters = sync.Pool{New: func() any {
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow/8))
		return z
	}}
)

// packer is what the compressing writers have in common.
type packer interface {
	io.WriteCloser
	Reset(io.Writer)
}

// Pack picks the content coding that a client likes best, by its Accept-Encoding
// headers, and gives a writer that compresses to w, to be closed in the end. It
// gives "" and nil if that is none.
func Pack(acceptEncoding []string, w io.Writer) (encoding string, z io.WriteCloser) {
	switch encoding = acceptedCoding(acceptEncoding); encoding {
	case "zstd":
		return encoding, pack(&zstdWriters, w)
	case "gzip":
		return encoding, pack(&gzipWriters, w)
	}
	return "", nil
}

type pooledWriter struct {
	packer
	pool *sync.Pool
}

func (p pooledWriter) Close() error {
	err := p.packer.Close()
	p.packer.Reset(nil)
	p.pool.Put(p.packer)
	return err
}

func pack(pool *sync.Pool, w io.Writer) io.WriteCloser {
	z := pool.Get().(packer)
	z.Reset(w)
	return pooledWriter{z, pool}
}
