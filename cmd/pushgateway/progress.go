package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// newProgress shows on a terminal how far something long is: what is written
// to it counts. Size is in bytes, -1 if it is not known. Where nobody watches
// it does nothing.
func newProgress(stderr io.Writer, what string, size int64) io.WriteCloser {
	if !isTerminal(stderr) {
		return nothing{}
	}
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
}

// sizeOf gives the size of a file, -1 if it is not known.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

// nothing is a progress that nobody watches.
type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }

func (nothing) Close() error { return nil }
