package main

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// appendsTo counts what a disk syncs in a second: a bare program appends as many
// bytes as a record has to a new file, syncs them, and goes on. Each sync takes as
// much longer as the disks say.
func appendsTo(path string, length time.Duration, d disks) func() (float64, error) {
	return func() (n float64, err error) {
		f, err := os.Create(path)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
		value := make([]byte, diskValue)
		for end := time.Now().Add(length); time.Now().Before(end); n++ {
			if _, err := f.Write(value); err != nil {
				return 0, err
			}
			time.Sleep(time.Duration(d))
			if err := syscall.Fdatasync(int(f.Fd())); err != nil {
				return 0, err
			}
		}
		return n / length.Seconds(), nil
	}
}
