// Package webui serves the web page: embedded files that get all data from the
// API. They only use relative paths, so that they work below any prefix and
// behind any proxy.
package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

//go:generate ../../scripts/vendor-uplot static/vendor

//go:embed index.html static
var files embed.FS

// policy lets the page use its own files and talk to its own origin, and
// nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is a file to be served.
type asset struct {
	contentType string
	etag        string
	plain       []byte
	small       func() []byte // compressed with gzip on first use
}

// New returns the handler of the page at / and /status, and of the files below
// /static/. All are below prefix, which is "" or like "/gw".
func New(prefix string) (http.Handler, error) {
	assets, err := load(files)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, prefix+"/")
		if name == "" || name == "status" {
			name = "index.html"
		}
		a, ok := assets[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		a.serve(w, r)
	}), nil
}

func load(files fs.FS) (map[string]*asset, error) {
	assets := make(map[string]*asset)
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		plain, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		assets[name] = newAsset(name, plain)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading the page: %w", err)
	}
	return assets, nil
}

func newAsset(name string, plain []byte) *asset {
	hash := sha256.Sum256(plain)
	return &asset{contentTypeOf(name), hex.EncodeToString(hash[:12]), plain, sync.OnceValue(func() []byte { return compress(plain) })}
}

func compress(plain []byte) []byte {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, _ = z.Write(plain) // writing to memory cannot fail
	_ = z.Close()
	return small.Bytes()
}

// contentTypeOf does not use the types configured on the machine, which may
// differ.
func contentTypeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/plain; charset=utf-8"
}

// serve answers with the file, or says that the client already has it. Clients
// ask each time, so that a new version of the gateway shows its own page.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", a.contentType)
	body, etag := a.plain, a.etag
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body, etag = a.small(), a.etag+"-gzip"
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
