package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
	"pushgateway/internal/storage"
)

// meanwhile calls a function each time that something is read.
type meanwhile func()

func (f meanwhile) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

// imported gives an empty file of Pushgateway 1.11 and the journal made of it.
func imported(t *testing.T) (file, journal string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "metrics")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gobfile.Write(f, func(func(*gateway.Group) bool) {}), f.Close()); err != nil {
		t.Fatal(err)
	}
	if journal, err = storage.Import(t.Context(), storage.Config{File: file}, storage.Undecided); err != nil {
		t.Fatal(err)
	}
	return file, journal
}

// TestImportHoldsTheJournal lets nobody use a journal while it is being
// replaced: what they took then would be lost.
func TestImportHoldsTheJournal(t *testing.T) {
	file, journal := imported(t)
	reads := 0
	_, err := storage.Import(t.Context(), storage.Config{File: file, Reading: meanwhile(func() {
		reads++
		if held, err := boltjournal.Hold(journal); !errors.Is(err, boltjournal.ErrLocked) {
			t.Errorf("the journal can be used: %v, %v", held, err)
		}
	})}, storage.TakeFile)
	if err != nil || reads == 0 {
		t.Errorf("%d reads, %v", reads, err)
	}
	held, err := boltjournal.Hold(journal)
	if err != nil {
		t.Fatal(err)
	}
	_ = held.Close() // nothing was written
}

// TestImportThatFailsLeavesNothing replaces a journal by a file that cannot be
// read: the journal stays, and each attempt leaves no second name of it.
func TestImportThatFailsLeavesNothing(t *testing.T) {
	file, _ := imported(t)
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Import(t.Context(), storage.Config{File: file}, storage.TakeFile); !errors.Is(err, gobfile.ErrTruncated) {
		t.Errorf("got %v, want %v", err, gobfile.ErrTruncated)
	}
	if names, err := filepath.Glob(file + "*"); err != nil || len(names) != 2 {
		t.Errorf("there are %q, %v; want the file and its journal", names, err)
	}
}
