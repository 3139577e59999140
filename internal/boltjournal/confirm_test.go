package boltjournal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
)

const (
	sector   = 512
	pageSize = 4096
)

// isConfirmed reports whether both meta pages of a file lead to the same root.
func isConfirmed(content []byte) bool {
	const root = 32 // where in a meta page it is
	return binary.NativeEndian.Uint64(content[root:]) == binary.NativeEndian.Uint64(content[pageSize+root:])
}

// lastCommit returns a file before a commit, after its sync, and once it is
// confirmed, and the groups before and after it. The journal is not closed in
// between, as if it were killed.
func lastCommit(t *testing.T) (before, after, confirmed []byte, groups [2][]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	for i := range 60 {
		push(t, g, fmt.Sprintf("job%03d", i), fmt.Sprintf("# TYPE m gauge\nm{a=\"b\"} %d\n# TYPE h gauge\nh{c=\"%0200d\"} 1\n", i, i))
	}
	before = contentOf(t, path)
	push(t, g, "job030", "# TYPE m gauge\nm 7\n")
	confirmed = contentOf(t, path)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if !isConfirmed(before) || !isConfirmed(confirmed) {
		t.Fatal("an answered push is not confirmed")
	}
	after = slices.Clone(confirmed)
	older := int(1-txid(confirmed)%2) * pageSize
	copy(after[older:older+pageSize], before[older:])
	for i, content := range [][]byte{before, after} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, s, err := readAll(path)
		if err != nil || len(s.Faults) > 0 {
			t.Fatal(s.Faults, err)
		}
		groups[i] = got
	}
	if isConfirmed(after) || slices.Equal(groups[0], groups[1]) {
		t.Fatal("there is no commit that could be torn")
	}
	return before, after, confirmed, groups
}

// txid returns the number of the last commit of a file.
func txid(content []byte) uint64 {
	const at = 16 + 48 // in a meta page
	return max(binary.NativeEndian.Uint64(content[at:]), binary.NativeEndian.Uint64(content[pageSize+at:]))
}

func contentOf(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestTornCommit leaves out some sectors of the last commit, as a power cut does.
// A start must find the state before that commit, or the one after it, and go on
// with that.
func TestTornCommit(t *testing.T) {
	before, after, _, groups := lastCommit(t)
	before = append(before, make([]byte, len(after)-len(before))...)
	var sectors []int
	for at := 0; at < len(after); at += sector {
		if !bytes.Equal(before[at:at+sector], after[at:at+sector]) {
			sectors = append(sectors, at)
		}
	}
	path := filepath.Join(t.TempDir(), "journal")
	torn := 0
	try := func(lost []int) {
		content := slices.Clone(after)
		for _, at := range lost {
			copy(content[at:at+sector], before[at:])
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, s, err := readAll(path)
		if err != nil || len(s.Faults) > 0 || !slices.Equal(got, groups[0]) && !slices.Equal(got, groups[1]) {
			t.Fatalf("without the sectors at %v: %d groups, %v, %v", lost, len(got), s.Faults, err)
		}
		var said strings.Builder
		g := open(t, boltjournal.Config{Path: path, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if n := g.View().Groups(); n != len(got) {
			t.Fatalf("without the sectors at %v: a start finds %d groups, want %d", lost, n, len(got))
		}
		if strings.Contains(said.String(), "Going back") {
			torn++
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if !isConfirmed(contentOf(t, path)) {
			t.Fatalf("without the sectors at %v: the state is not confirmed at the end", lost)
		}
		wantWritable(t, fmt.Sprintf("without the sectors at %v", lost), path, len(got))
	}
	try(nil)
	for _, at := range sectors {
		try([]int{at})
		try(slices.DeleteFunc(slices.Clone(sectors), func(s int) bool { return s == at }))
	}
	for range 50 {
		rand.Shuffle(len(sectors), func(i, k int) { sectors[i], sectors[k] = sectors[k], sectors[i] })
		try(sectors[:rand.IntN(len(sectors)+1)])
	}
	if torn == 0 {
		t.Error("no start has gone back")
	}
}

// TestDamageBesideTheLastCommit damages a page that both states have. That is no
// reason to go back.
func TestDamageBesideTheLastCommit(t *testing.T) {
	_, after, _, _ := lastCommit(t)
	path := filepath.Join(t.TempDir(), "journal")
	after[bytes.LastIndex(after, []byte("job\xffjob059"))+40] ^= 1
	if err := os.WriteFile(path, after, 0o600); err != nil {
		t.Fatal(err)
	}
	err := boltjournal.New(boltjournal.Config{Path: path}).Open(t.Context(), func([]gateway.Applied) {}, nil)
	if !errors.Is(err, boltjournal.ErrDamaged) {
		t.Errorf("opened with the error %v", err)
	}
	if !bytes.Equal(contentOf(t, path), after) {
		t.Error("the file has changed")
	}
}

// TestEveryBitAfterAKill flips bits of the file of a process that was killed just after
// it had answered a push. Reading must report the damage, or return what was pushed.
// Of a process that was killed before the answer, it may return what was there
// before as well.
func TestEveryBitAfterAKill(t *testing.T) {
	_, after, confirmed, groups := lastCommit(t)
	for _, c := range []struct {
		name    string
		content []byte
		may     [][]string
	}{{"before the answer", after, groups[:]}, {"after the answer", confirmed, groups[1:]}} {
		path := filepath.Join(t.TempDir(), "journal")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write(c.content); err != nil {
			t.Fatal(err)
		}
		const step = 29 // a prime, so that every field is covered
		for at := 0; at < len(bytes.TrimRight(c.content, "\x00")); at += step {
			flip(t, f, at, c.content[at]^1<<(at/step%8))
			got, s, err := readAll(path)
			isOne := slices.ContainsFunc(c.may, func(groups []string) bool { return slices.Equal(got, groups) })
			if err == nil && len(s.Faults) == 0 && !isOne {
				t.Fatalf("killed %s, byte %d: the groups differ, but no damage was reported", c.name, at)
			}
			flip(t, f, at, c.content[at])
		}
	}
}
