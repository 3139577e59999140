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
	"time"

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

// lastCommit returns a file before and after a commit that is not confirmed, and
// the groups that each holds.
func lastCommit(t *testing.T) (before, after []byte, groups [2][]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	for i := range 60 {
		push(t, g, fmt.Sprintf("job%03d", i), fmt.Sprintf("# TYPE m gauge\nm{a=\"b\"} %d\n# TYPE h gauge\nh{c=\"%0200d\"} 1\n", i, i))
	}
	for range 10 { // the machine may be slow, and the state confirmed meanwhile
		before = contentOf(t, path)
		push(t, g, "job030", "# TYPE m gauge\nm 7\n")
		after = contentOf(t, path)
		if !isConfirmed(after) {
			break
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
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
	return before, after, groups
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
	before, after, groups := lastCommit(t)
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
	_, after, _ := lastCommit(t)
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

// TestEveryBitOfTheLastCommit flips bits of a file whose last commit is not
// confirmed. Reading must report the damage, or return one of its two states.
func TestEveryBitOfTheLastCommit(t *testing.T) {
	_, content, groups := lastCommit(t)
	path := filepath.Join(t.TempDir(), "journal")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	const step = 29 // a prime, so that every field is covered
	for at := 0; at < len(bytes.TrimRight(content, "\x00")); at += step {
		flip(t, f, at, content[at]^1<<(at/step%8))
		if got, s, err := readAll(path); err == nil && len(s.Faults) == 0 && !slices.Equal(got, groups[0]) && !slices.Equal(got, groups[1]) {
			t.Fatalf("byte %d: the groups differ, but no damage was reported", at)
		}
		flip(t, f, at, content[at])
	}
}

// TestConfirmed waits until an idle journal has confirmed its last commit. From
// then on, damage of it is reported.
func TestConfirmed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	push(t, g, "a", "x 1\n")
	push(t, g, "a", "x 2\n")
	var content []byte
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if content = contentOf(t, path); isConfirmed(content) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the last commit is not confirmed")
		}
	}
	push(t, g, "a", "x 3\n") // the journal must still be open
	damaged := filepath.Join(t.TempDir(), "damaged")
	const root = 32
	at := binary.NativeEndian.Uint64(content[root:])*pageSize + 8
	content[at] ^= 1
	if err := os.WriteFile(damaged, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, s, err := readAll(damaged); err == nil && len(s.Faults) == 0 {
		t.Errorf("no damage was reported, and there are %d groups", len(got))
	}
}
