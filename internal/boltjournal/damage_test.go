package boltjournal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
)

// journalOf creates a file with n groups. It returns its path and its groups.
func journalOf(t testing.TB, n int) (path string, groups []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	for i := range n {
		push(t, g, fmt.Sprintf("job%03d", i), fmt.Sprintf("# HELP m Help.\n# TYPE m gauge\nm{a=\"b\"} %d\n# TYPE h histogram\nh_bucket{le=\"1\"} %d\nh_count %d\n", i, i, i))
	}
	push(t, g, "job000", "# TYPE m gauge\nm 7\n") // so that the file contains old pages
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	groups, s, err := readAll(path)
	if err != nil || len(s.Faults) > 0 || len(groups) != n {
		t.Fatalf("%d groups, %v, %v", len(groups), s.Faults, err)
	}
	return path, groups
}

// compact returns the content of a new file with the same groups.
func compact(t testing.TB, path string) []byte {
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

// readAll reads a file and formats each group with everything that must
// survive.
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

// damaged reports whether reading finds the damage. If it does not, the groups
// must be intact.
func damaged(t *testing.T, what, path string, want []string) bool {
	t.Helper()
	got, s, err := readAll(path)
	if err != nil || len(s.Faults) > 0 {
		return true
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the groups differ, but no damage was reported", what)
	}
	return false
}

// wantWritable pushes to every group of a copy of a file and deletes half of
// them, which rewrites every page. A file that reading considers intact must
// survive that.
func wantWritable(t *testing.T, what, path string, groups int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written := path + "-written"
	if err := os.WriteFile(written, content, 0o600); err != nil {
		t.Fatal(err)
	}
	g := open(t, boltjournal.Config{Path: written})
	pushes := make([]gateway.Push, groups)
	for i := range pushes {
		k := key(t, fmt.Sprintf("job%03d", i))
		pushes[i] = gateway.Push{Key: k, Blocks: journaltest.Blocks(t, k, "# TYPE m gauge\nm 8\n"), Mode: gateway.Replace}
	}
	errs := g.PushAll(t.Context(), pushes)
	_, err = g.DeleteMatching(t.Context(), func(g *gateway.Group) bool { return g.Key < pushes[groups/2].Key })
	if err := errors.Join(errors.Join(errs...), err, g.Close()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	got, s, err := readAll(written)
	if err != nil || len(s.Faults) > 0 || len(got) != groups-groups/2 {
		t.Errorf("%s: after more pushes and deletes there are %d groups, %v, %v", what, len(got), s.Faults, err)
	}
}

// TestEveryBit flips each bit of a small file, one at a time. Reading must
// report the damage or return what was written. In the empty parts of pages, it
// flips bits of only some bytes.
func TestEveryBit(t *testing.T) {
	path, want := journalOf(t, 3)
	content := compact(t, path)
	flipAll(t, content, want, func(at int) []int {
		const near = 32
		if at%61 != 0 && len(bytes.Trim(content[max(0, at-near):min(len(content), at+near)], "\x00")) == 0 {
			return nil
		}
		return []int{0, 1, 2, 3, 4, 5, 6, 7}
	}, func(string, string) {})
}

// TestSomeBitsOfTrees flips bits of a file with branches and old pages.
func TestSomeBitsOfTrees(t *testing.T) {
	path, want := journalOf(t, 100)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(content, "\x00")) // the file is larger than its content
	const step = 53                               // a prime, so that every field of an element is covered
	flipAll(t, content, want, func(at int) []int {
		if at%step != 0 || at >= used {
			return nil
		}
		return []int{at / step % 8}
	}, func(string, string) {})
}

// TestEveryBitOfBranches flips the bits of branch pages, which have no
// checksums. Damage that reading does not find must not harm later writes.
func TestEveryBitOfBranches(t *testing.T) {
	path, want := journalOf(t, 100)
	content := compact(t, path)
	var branches atomic.Int64
	var one sync.Mutex
	flipAll(t, content, want, func(at int) []int {
		if !inBranch(content, at) {
			return nil
		}
		branches.Add(1)
		return []int{0, 1, 2, 3, 4, 5, 6, 7}
	}, func(what, path string) {
		one.Lock() // a 32-bit address space has no room for several at once
		defer one.Unlock()
		wantWritable(t, what, path, len(want))
	})
	if branches.Load() == 0 {
		t.Error("the file has no branches")
	}
}

// inBranch reports whether a byte belongs to the header or an element of a
// branch page, or is close to one.
func inBranch(content []byte, at int) bool {
	const pageSize, near = 4096, 16
	page := content[at/pageSize*pageSize:][:pageSize]
	isBranch := page[8] == 1 && page[9] == 0 // its flags
	at %= pageSize
	return isBranch && len(bytes.Trim(page[max(0, at-near):min(pageSize, at+near)], "\x00")) > 0
}

// flipAll flips the given bits of each byte, on copies of the file. The file
// must be intact at first. It calls unnoticed for each damage that reading does
// not find.
func flipAll(t *testing.T, content []byte, want []string, bits func(at int) []int, unnoticed func(what, path string)) {
	wantWhole(t, content, want)
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
					what := fmt.Sprintf("bit %d of byte %d", bit, at)
					if !damaged(t, what, path, want) {
						unnoticed(what, path)
					}
				}
				flip(t, f, at, content[at])
			}
		})
	}
	wg.Wait()
}

func wantWhole(t testing.TB, content []byte, want []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "whole")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	got, s, err := readAll(path)
	if err != nil || len(s.Faults) > 0 || !slices.Equal(got, want) {
		t.Fatalf("before any damage: %d groups, %v, %v", len(got), s.Faults, err)
	}
}

func flip(t *testing.T, f *os.File, at int, b byte) {
	if _, err := f.WriteAt([]byte{b}, int64(at)); err != nil {
		t.Error(err)
	}
}

// TestEveryTruncation truncates a small file at each byte.
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

// TestDamageBeforeCompaction damages a mostly empty file after it was read, but
// before it is compacted. The file must not be replaced with what is left of
// it.
func TestDamageBeforeCompaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	for i := range 4 {
		noise := make([]byte, 500_000)
		_, _ = rand.Read(noise) // it never fails
		push(t, g, fmt.Sprint("job", i), fmt.Sprintf("x{noise=\"%x\"} 1\n", noise))
	}
	for i := range 3 {
		if err := g.Delete(t.Context(), key(t, fmt.Sprint("job", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	lose := func(done, all int) {
		if done == 0 || done < all {
			return
		}
		if err := errors.Join(os.Truncate(path, 2*4096), os.Truncate(path, before.Size())); err != nil {
			t.Error(err)
		}
	}
	j := boltjournal.New(boltjournal.Config{Path: path, Progress: lose})
	if err := j.Open(t.Context(), func([]gateway.Applied) {}, nil); !errors.Is(err, boltjournal.ErrDamaged) {
		t.Errorf("opened with the error %v", err)
		_ = j.Close() // it should have failed to open
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || after.Size() != before.Size() {
		t.Errorf("the file was replaced: %v %v", after, err)
	}
}

// FuzzDamage overwrites several bytes of a small file. Reading must report the
// damage or return what was written.
func FuzzDamage(f *testing.F) {
	path, want := journalOf(f, 3)
	content := compact(f, path)
	wantWhole(f, content, want)
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
