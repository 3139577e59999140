package boltjournal_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
)

// addOnce adds 1 to a counter with a key, and reports whether that had counted.
func addOnce(t *testing.T, g *gateway.Gateway, once string) (replayed bool) {
	t.Helper()
	k := key(t, "lambda")
	o := gateway.NewOnce(k, once, [16]byte{1})
	p := gateway.Push{Key: k, Blocks: journaltest.Blocks(t, k, "# TYPE n counter\nn 1\n"), Mode: gateway.Sum, Once: o}
	if err := g.Push(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	return o.Replayed
}

// receiptsIn returns the number of receipts in a file, and what is wrong with it.
func receiptsIn(t *testing.T, path string) (n int, faults []boltjournal.Fault) {
	t.Helper()
	s, err := boltjournal.Read(context.Background(), path, func(batch []gateway.Applied) {
		for _, a := range batch {
			n += len(a.Receipts)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, s.Faults
}

// TestReceiptsGo lets receipts become old. They must leave the file with later
// commits.
func TestReceiptsGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	ago := 2 * gateway.ReceiptLife
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: boltjournal.New(boltjournal.Config{Path: path}), Now: func() time.Time { return time.Now().Add(-ago) }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		addOnce(t, g, fmt.Sprint(i))
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = open(t, boltjournal.Config{Path: path})
	if addOnce(t, g, "1") || addOnce(t, g, "2") {
		t.Error("an old key is known")
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if n, faults := receiptsIn(t, path); n != 2 || len(faults) > 0 {
		t.Errorf("the file has %d receipts, want 2 (%v)", n, faults)
	}
}

// TestReceiptsDamaged damages a receipt. The journal must not open, and with
// Salvage go on with the others.
func TestReceiptsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	const all = 100
	for i := range all {
		addOnce(t, g, fmt.Sprint(i))
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hash := bytes.Repeat([]byte{1, 0}, 1)
	hash = append(hash, make([]byte, 14)...) // the hash of the content
	damaged := 0
	for at := 0; ; {
		i := bytes.Index(content[at:], hash)
		if i < 0 {
			break
		}
		at += i
		content[at+5] ^= 1 // in each page that has it, also in those no longer in use
		damaged++
		if at += len(hash); damaged == all/2 {
			break
		}
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, faults := receiptsIn(t, path); len(faults) == 0 {
		t.Skip("only pages that are not in use were damaged")
	}
	if err := boltjournal.New(boltjournal.Config{Path: path}).Open(t.Context(), func([]gateway.Applied) {}, nil); err == nil {
		t.Fatal("a file with a damaged receipt was opened")
	}
	g = open(t, boltjournal.Config{Path: path, Salvage: true})
	fresh := 0
	for i := range all {
		if !addOnce(t, g, fmt.Sprint(i)) {
			fresh++
		}
	}
	if fresh == 0 || fresh == all {
		t.Errorf("%d of %d receipts are lost, want some", fresh, all)
	}
}
