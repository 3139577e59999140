package boltjournal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
)

// TestVoid commits with a context that has ended while the file cannot be
// written. Each change whose caller has left must become void.
func TestVoid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := boltjournal.New(boltjournal.Config{Path: path})
	var applied, void atomic.Int64
	err := j.Open(t.Context(), func(batch []gateway.Applied) {
		for _, a := range batch {
			if a.Void {
				void.Add(1)
			} else {
				applied.Add(1)
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	gone, end := context.WithCancel(t.Context())
	end()
	unknown := int64(0)
	for range 50 {
		k := key(t, "a")
		if o := j.Commit(gone, []gateway.Change{{Key: k}})[0]; o.Verdict == gateway.Unknown {
			unknown++
		} else if o.Verdict != gateway.Failed {
			t.Fatalf("verdict %d although there is no file", o.Verdict)
		}
	}
	_ = j.Close() // reports that the file was taken away
	if void.Load() != unknown || applied.Load() != 0 {
		t.Errorf("%d outcomes were unknown; %d changes are void, %d were applied", unknown, void.Load(), applied.Load())
	}
}

// TestEmptiedWhileCommitted empties the file at any moment of a commit. The error
// says so, and not what the commit met.
func TestEmptiedWhileCommitted(t *testing.T) {
	for i := range 100 {
		path := filepath.Join(t.TempDir(), "journal")
		j := boltjournal.New(boltjournal.Config{Path: path})
		if err := j.Open(t.Context(), func([]gateway.Applied) {}, nil); err != nil {
			t.Fatal(err)
		}
		failed, emptied := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(emptied)
			for time.Sleep(time.Duration(i) * 20 * time.Microsecond); ; time.Sleep(time.Millisecond) {
				if err := os.Truncate(path, 0); err != nil {
					t.Error(err)
				}
				select {
				case <-failed:
					return
				default: // a commit that was writing may have made all pages anew
				}
			}
		}()
		var err error
		for k := key(t, "a"); err == nil; {
			err = j.Commit(t.Context(), []gateway.Change{{Key: k, Group: new(gateway.Group)}})[0].Err
		}
		close(failed)
		<-emptied
		if !errors.Is(err, boltjournal.ErrTaken) {
			t.Errorf("the commit fails with %v, want that the file was changed", err)
		}
		_ = j.Close() // reports it too
	}
}
