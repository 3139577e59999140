package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// newProgress shows the progress of a long operation on a terminal, in bytes
// written to it. Size is in bytes, or -1 if it is unknown. It does nothing if
// stderr is not a terminal.
func newProgress(stderr io.Writer, what string, size int64) io.WriteCloser {
	if !isTerminal(stderr) {
		return nothing{}
	}
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
}

// sizeOf returns the size of a file in bytes, or -1 if it is unknown.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

// nothing is a progress bar that shows nothing.
type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }

func (nothing) Close() error { return nil }
