package gobfile_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"slices"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
)

// receipts returns n receipts, oldest first.
func receipts(n int) (all []gateway.Receipt) {
	for i := range n {
		all = append(all, gateway.Receipt{At: 1.7e18 + int64(i), ID: [16]byte{byte(i), 1}, Content: [16]byte{byte(i), 2}})
	}
	return all
}

// withReceipts writes the groups of a file again, with receipts.
func withReceipts(t testing.TB, file []byte, receipts []gateway.Receipt) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gobfile.WriteWith(&b, slices.Values(read(t, file).Groups), slices.Values(receipts)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestReceipts writes receipts and reads them. Those who know nothing of them read
// the groups as before.
func TestReceipts(t *testing.T) {
	plain := small(t)
	if b := withReceipts(t, plain, nil); len(b) != len(plain) {
		t.Error("a file without receipts is longer than one of Pushgateway")
	}
	for _, n := range []int{1, 3, 10_000} {
		b := withReceipts(t, plain, receipts(n))
		f := read(t, b)
		if !slices.Equal(f.Receipts, receipts(n)) || len(f.Groups) != 1 {
			t.Errorf("%d receipts became %d, and there are %d groups", n, len(f.Receipts), len(f.Groups))
		}
		var groups mirror
		if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&groups); err != nil || len(groups) != 1 {
			t.Errorf("package gob reads %d groups: %v", len(groups), err)
		}
	}
}

// TestDamagedReceipts changes a file after its groups.
func TestDamagedReceipts(t *testing.T) {
	plain := small(t)
	b := withReceipts(t, plain, receipts(3))
	const name = 30 // bytes that say that receipts follow
	for n := len(plain) + name; n < len(b); n++ {
		if _, err := gobfile.Read(bytes.NewReader(b[:n])); !errors.Is(err, gobfile.ErrTruncated) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(b), err)
		}
		b[n] ^= 1
		if _, err := gobfile.Read(bytes.NewReader(b)); !errors.Is(err, gobfile.ErrDamaged) {
			t.Fatalf("with another byte %d: %v", n, err)
		}
		b[n] ^= 1
	}
	for _, after := range []string{"x", "pushgateway", "\x05\x0a\x00\x02hi"} {
		if f := read(t, append(slices.Clone(plain), after...)); len(f.Receipts) != 0 || len(f.Groups) != 1 {
			t.Errorf("after %q there are %d groups and %d receipts", after, len(f.Groups), len(f.Receipts))
		}
	}
}
