package boltjournal_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

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
