package exposition

import (
	"fmt"
	"io"
	"strconv"
	"strings"
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

// Unpack gives the content of a body with this Content-Encoding: gzip, snappy
// (framed) or zstd. Any other is taken for no encoding, as Pushgateway 1.11
// does, and r itself is given back. Closing it does not close r.
func Unpack(encoding string, r io.ReadCloser) (io.ReadCloser, error) {
	switch encoding {
	case "gzip":
		return unpackGzip(r)
	case "snappy":
		return io.NopCloser(snappy.NewReader(r)), nil
	case "zstd":
		return unpackZstd(r)
	}
	return r, nil
}

// pooled is a reader that Close makes ready for the next one.
type pooled struct {
	io.Reader
	put func()
}

func (p pooled) Close() error {
	p.put()
	return nil
}

func unpackGzip(r io.Reader) (io.ReadCloser, error) {
	z, ok := gzipReaders.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	if err := z.Reset(r); err != nil {
		gzipReaders.Put(z)
		return nil, fmt.Errorf("unpacking gzip: %w", err)
	}
	return pooled{z, func() { gzipReaders.Put(z) }}, nil
}

func unpackZstd(r io.Reader) (io.ReadCloser, error) {
	z, ok := zstdReaders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
			return nil, fmt.Errorf("unpacking zstd: %w", err)
		}
	}
	if err := z.Reset(r); err != nil {
		return nil, fmt.Errorf("unpacking zstd: %w", err)
	}
	return pooled{z, func() {
		if z.Reset(nil) == nil {
			zstdReaders.Put(z)
		}
	}}, nil
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

// Pack picks a content encoding that the client accepts, and gives a writer
// that compresses to w, to be closed in the end. It gives "" and nil if there
// is none.
func Pack(acceptEncoding string, w io.Writer) (encoding string, z io.WriteCloser) {
	switch {
	case accepts(acceptEncoding, "zstd"):
		return "zstd", pack(&zstdWriters, w)
	case accepts(acceptEncoding, "gzip"):
		return "gzip", pack(&gzipWriters, w)
	}
	return "", nil
}

// accepts tells whether a header like "gzip;q=0.5, br" has an encoding.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		q, weighted := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !weighted || err == nil && weight > 0
	}
	return false
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
