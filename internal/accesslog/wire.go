package accesslog

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// statusLeft is logged if the client left before there was an answer, as nginx
// does.
const statusLeft = 499

// answer watches an answer being written. Whatever the writer below can do, it
// can, too, through Unwrap or its own methods.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
	took   time.Duration // of writes, which wait for the client to read
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	start := a.begin()
	n, err := a.ResponseWriter.Write(b)
	a.wrote(int64(n), start)
	return n, err
}

// WriteString spares a copy.
func (a *answer) WriteString(s string) (int, error) {
	start := a.begin()
	n, err := io.WriteString(a.ResponseWriter, s)
	a.wrote(int64(n), start)
	return n, err
}

// ReadFrom lets the system copy files where it can.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	start := a.begin()
	n, err := io.Copy(a.ResponseWriter, r)
	a.wrote(n, start)
	return n, err
}

// Flush is for handlers that do not use http.ResponseController.
func (a *answer) Flush() {
	start := a.begin()
	_ = http.NewResponseController(a.ResponseWriter).Flush() // as http.Flusher, it says nothing
	a.wrote(0, start)
}

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	start := a.begin()
	err := http.NewResponseController(a.ResponseWriter).Flush()
	a.wrote(0, start)
	return err
}

func (a *answer) begin() time.Time {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return time.Now()
}

func (a *answer) wrote(n int64, since time.Time) {
	a.bytes += n
	a.took += time.Since(since)
}

// code returns the status that was sent, or would be.
func (a *answer) code(aborted bool) int {
	switch {
	case a.status != 0:
		return a.status
	case aborted:
		return statusLeft
	}
	return http.StatusOK
}

// body watches a body being read. HTTP allows reading in another goroutine.
type body struct {
	io.ReadCloser
	bytes, took atomic.Int64
}

func (b *body) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.took.Add(int64(time.Since(start)))
	b.bytes.Add(int64(n))
	return n, err
}
