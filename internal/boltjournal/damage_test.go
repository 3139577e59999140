package boltjournal_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
)

// journalOf makes a file with n groups and gives its path and what is in it.
func journalOf(t testing.TB, n int) (path string, groups []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	for i := range n {
		push(t, g, fmt.Sprintf("job%03d", i), fmt.Sprintf("# HELP m Help.\n# TYPE m gauge\nm{a=\"b\"} %d\n# TYPE h histogram\nh_bucket{le=\"1\"} %d\nh_count %d\n", i, i, i))
	}
	push(t, g, "job000", "# TYPE m gauge\nm 7\n") // so that old pages lie about
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	groups, s, err := readAll(path)
	if err != nil || len(s.Faults) > 0 || len(groups) != n {
		t.Fatalf("%d groups, %v, %v", len(groups), s.Faults, err)
	}
	return path, groups
}

// compact gives the content of a file with the same groups and nothing else.
func compact(t *testing.T, path string) []byte {
	t.Helper()
	var groups []*gateway.Group
	_, err := boltjournal.Read(t.Context(), path, func(batch []gateway.Applied) {
		for _, a := range batch {
			groups = append(groups, a.Group)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	small := path + "-small"
	made := boltjournal.File{Path: small, MustBeNew: true, Imported: []byte("where it came from")}
	if err := made.Create(slices.Values(groups)); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// readAll reads a file and shows each group with all that must survive.
func readAll(path string) (groups []string, s boltjournal.Summary, err error) {
	s, err = boltjournal.Read(context.Background(), path, func(batch []gateway.Applied) {
		for _, a := range batch {
			groups = append(groups, show(a))
		}
	})
	slices.Sort(groups)
	return groups, s, err
}

func show(a gateway.Applied) string {
	g := a.Group
	var b strings.Builder
	fmt.Fprintln(&b, g.Key, a.Revision, g.Since, g.Pushed.UnixNano(), g.Failed.UnixNano())
	for _, h := range g.Families {
		fmt.Fprintf(&b, "%s %q %s %d %d\n%s%x\n", h.Name, h.Help, h.Type, h.Pushed.UnixNano(), h.Claim, h.Text(), h.Proto())
	}
	return b.String()
}

// damaged tells that damage was found, or that it does no harm.
func damaged(t *testing.T, what, path string, want []string) {
	t.Helper()
	got, s, err := readAll(path)
	if err == nil && len(s.Faults) == 0 && !slices.Equal(got, want) {
		t.Errorf("%s: the groups are others, and nobody says so", what)
	}
}

// TestEveryBit flips each bit of a small file, one at a time: reading it must
// find the fault, or give what was written. In the empty parts of pages one
// byte of many is enough.
func TestEveryBit(t *testing.T) {
	path, want := journalOf(t, 3)
	content := compact(t, path)
	flipAll(t, content, want, func(at int) []int {
		const near = 32
		if at%61 != 0 && len(bytes.Trim(content[max(0, at-near):min(len(content), at+near)], "\x00")) == 0 {
			return nil
		}
		return []int{0, 1, 2, 3, 4, 5, 6, 7}
	})
}

// TestSomeBitsOfTrees does it for a file with branches, one bit of each byte.
func TestSomeBitsOfTrees(t *testing.T) {
	path, want := journalOf(t, 100)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content = bytes.TrimRight(content, "\x00") // the file grows ahead of what it holds
	const step = 53                            // a prime, so that all fields of all elements have their turn
	flipAll(t, content, want, func(at int) []int {
		if at%step != 0 {
			return nil
		}
		return []int{at / step % 8}
	})
}

// flipAll flips the bits of each byte that bits says, on copies of the file.
func flipAll(t *testing.T, content []byte, want []string, bits func(at int) []int) {
	const workers = 4
	dir := t.TempDir()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			path := filepath.Join(dir, fmt.Sprint(w))
			f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if _, err := f.Write(content); err != nil {
				t.Error(err)
				return
			}
			for at := w; at < len(content) && !t.Failed(); at += workers {
				for _, bit := range bits(at) {
					flip(t, f, at, content[at]^1<<bit)
					damaged(t, fmt.Sprintf("bit %d of byte %d", bit, at), path, want)
				}
				flip(t, f, at, content[at])
			}
		})
	}
	wg.Wait()
}

func flip(t *testing.T, f *os.File, at int, b byte) {
	if _, err := f.WriteAt([]byte{b}, int64(at)); err != nil {
		t.Error(err)
	}
}

// TestEveryTruncation cuts a small file at each byte.
func TestEveryTruncation(t *testing.T) {
	path, want := journalOf(t, 3)
	content := compact(t, path)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for size := len(content) - 1; size >= 0; size-- {
		if err := os.Truncate(path, int64(size)); err != nil {
			t.Fatal(err)
		}
		damaged(t, fmt.Sprintf("cut off at %d of %d bytes", size, len(content)), path, want)
	}
}

// FuzzDamage writes several bytes over a small file: reading it must find the
// fault, or give what was written.
func FuzzDamage(f *testing.F) {
	path, want := journalOf(f, 3)
	content, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	content = bytes.TrimRight(content, "\x00") // the file grows ahead of what it holds
	for at := 0; at < len(content); at += 509 {
		f.Add(uint32(at), []byte{0xff, 0, 1}, uint32(at/2), content[at/3:at/3+16])
	}
	f.Fuzz(func(t *testing.T, at uint32, b []byte, also uint32, c []byte) {
		written := bytes.Clone(content)
		copy(written[int(at)%len(content):], b)
		copy(written[int(also)%len(content):], c)
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, written, 0o600); err != nil {
			t.Fatal(err)
		}
		damaged(t, fmt.Sprintf("%q at %d, %q at %d", b, at, c, also), path, want)
	})
}
