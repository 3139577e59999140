package httpapi

import (
	"io"
	"net/http"

	"pushgateway/internal/compression"
)

// packedAnswer compresses answers for clients that accept that, unless they are
// compressed already.
func packedAnswer(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := &packedWriter{ResponseWriter: w, accepted: r.Header.Values("Accept-Encoding")}
		next(p, r)
		if p.z != nil { // after a panic the answer must not look complete
			_ = p.z.Close() // it fails if the client is gone
		}
	}
}

// packedWriter compresses an answer, if the client accepts that.
type packedWriter struct {
	http.ResponseWriter
	accepted []string
	z        io.WriteCloser // nil until the header is written, or if nothing is accepted
	given    bool
}

// WriteHeader implements http.ResponseWriter.
func (p *packedWriter) WriteHeader(status int) {
	if !p.given {
		p.given = true
		p.Header().Add("Vary", "Accept-Encoding")
		if p.Header().Get("Content-Encoding") == "" {
			p.pack()
		}
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *packedWriter) pack() {
	encoding, z := compression.Pack(p.accepted, p.ResponseWriter)
	if z == nil {
		return
	}
	p.z = z
	p.Header().Set("Content-Encoding", encoding)
	p.Header().Del("Content-Length")
}

// Write implements http.ResponseWriter.
func (p *packedWriter) Write(b []byte) (int, error) {
	if !p.given {
		p.WriteHeader(http.StatusOK)
	}
	if p.z != nil {
		return p.z.Write(b)
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p *packedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
