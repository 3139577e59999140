// Package compression compresses answers and decompresses bodies, with the content
// codings of HTTP.
package compression

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd stream can request.
const maxWindow = 8 << 20

var (
	gzipReaders sync.Pool // of *gzip.Reader
	zstdReaders sync.Pool // of *zstd.Decoder
)

// Known reports whether bodies with this Content-Encoding can be decompressed:
// gzip, snappy (framed) or zstd. Any other encoding counts as none, as in
// Pushgateway 1.11.
func Known(encoding string) bool { return unpackers[encoding] != nil }

// Unpack returns a reader for the content of a whole body. The Content-Encoding
// must be Known. The caller must close the reader, even if reading fails.
func Unpack(encoding string, packed []byte) (io.ReadCloser, error) {
	if !begins(encoding, packed) {
		what := "is not " + encoding
		if len(packed) == 0 {
			what = "is empty, and not " + encoding
		}
		return nil, fmt.Errorf("the body %s, as its Content-Encoding says; compress it, or leave out the header", what)
	}
	in, err := unpackers[encoding](bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w", encoding, err)
	}
	return in, nil
}

// begins reports whether a body starts like one of this encoding. Except with
// gzip, an empty body may have no bytes at all.
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

// unpacked is a reader that Close prepares for reuse.
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
		r.Reset(nil) // otherwise z would hold the body
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

// windowed adds to the error of a stream with too large a window how to avoid
// it.
type windowed struct{ *zstd.Decoder }

func (w windowed) Read(p []byte) (int, error) {
	n, err := w.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("it needs a window of more than %d MiB; compress it without --long and --ultra (%w)", maxWindow>>20, err)
	}
	return n, err
}

// Pack picks the content coding that a client prefers, by its Accept-Encoding
// headers, and returns a writer that compresses to w. The caller closes it in
// the end. It returns "" and nil for no compression.
func Pack(acceptEncoding []string, w io.Writer) (encoding string, z Packer) {
	switch encoding = acceptedCoding(acceptEncoding); encoding {
	case "zstd":
		return encoding, newZstd(w)
	case "gzip":
		return encoding, newGzip(w)
	}
	return "", nil
}
