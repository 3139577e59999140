package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ceiling is the least that a server in this language can do for a push and
// for a scrape: read the body and answer 200, and serve the same bytes from
// memory, compressing them if asked to. It is what net/http costs.
type ceiling struct {
	page atomic.Pointer[[]byte] // what GET serves
	gzip sync.Pool              // of *gzip.Writer
	zstd sync.Pool              // of *zstd.Encoder
}

// pagePath takes, by PUT, the bytes that scrapes get from then on.
const pagePath = "/page"

func serveCeiling(ctx context.Context, addr string) error {
	c := &ceiling{}
	c.page.Store(new([]byte))
	s := &http.Server{Addr: addr, Handler: c}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (c *ceiling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		c.serveGzip(w)
	case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept-Encoding"), "zstd"):
		c.serveZstd(w)
	case r.Method == http.MethodGet:
		_, _ = w.Write(*c.page.Load())
	case r.URL.Path == pagePath:
		c.keep(w, r)
	default:
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

func (c *ceiling) keep(w http.ResponseWriter, r *http.Request) {
	page, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.page.Store(&page)
}

// serveGzip compresses at the level that the gateway has to beat: the
// fastest.
func (c *ceiling) serveGzip(w http.ResponseWriter) {
	z, ok := c.gzip.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails on levels only
	}
	z.Reset(w)
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = z.Write(*c.page.Load())
	_ = z.Close()
	c.gzip.Put(z)
}

// serveZstd is serveGzip with zstd.
func (c *ceiling) serveZstd(w http.ResponseWriter) {
	z, ok := c.zstd.Get().(*zstd.Encoder)
	if !ok {
		z, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20)) // fails on bad options only
	}
	z.Reset(w)
	w.Header().Set("Content-Encoding", "zstd")
	_, _ = z.Write(*c.page.Load())
	_ = z.Close()
	c.zstd.Put(z)
}
