package boltjournal_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
)

// TestSalvage damages a journal in different places and salvages it.
func TestSalvage(t *testing.T) {
	const page = 4096
	for name, damage := range map[string]func(content []byte) []byte{
		"a record":        func(b []byte) []byte { b[bytes.LastIndex(b, []byte("job\xffjob042"))+40] ^= 1; return b },
		"cut off":         func(b []byte) []byte { return b[:len(bytes.TrimRight(b, "\x00"))*3/4] },
		"a page of zeros": func(b []byte) []byte { clear(b[10*page : 11*page]); return b },
		"a meta page":     func(b []byte) []byte { b[page+20] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			path, groups := journalOf(t, 100)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			broken := damage(slices.Clone(content))
			if err := os.WriteFile(path, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			g := open(t, boltjournal.Config{Path: path, Salvage: true, Logger: slog.New(slog.NewTextHandler(&said, nil))})
			kept := g.View().Groups()
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			if kept < 100/3 || // at worst, the others are in the part that was cut off
				!strings.Contains(said.String(), "Salvage") {
				t.Errorf("%d groups were kept\n%s", kept, &said)
			}
			now, s, err := readAll(path)
			if err != nil || len(s.Faults) > 0 || len(now) != kept {
				t.Errorf("afterwards: %d groups, %v, %v", len(now), s.Faults, err)
			}
			if name == "a record" && (kept != 99 || !strings.Contains(said.String(), "job042") || slices.ContainsFunc(now, func(g string) bool { return !slices.Contains(groups, g) })) {
				t.Errorf("%d groups are left\n%s", kept, &said)
			}
			asides, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(asides) != 1 {
				t.Fatalf("kept aside: %v %v", asides, err)
			}
			if aside, err := os.ReadFile(asides[0]); err != nil || !bytes.Equal(aside, broken) {
				t.Errorf("the damaged file has changed: %v", err)
			}
		})
	}
}

// TestSalvageOfNothing cuts off the page with the number of groups.
func TestSalvageOfNothing(t *testing.T) {
	path, _ := journalOf(t, 100)
	if err := os.Truncate(path, 2*4096+100); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	g := open(t, boltjournal.Config{Path: path, Salvage: true, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if n := g.View().Groups(); n != 0 || !strings.Contains(said.String(), "groups=0 groups_before=unknown") {
		t.Errorf("%d groups were kept\n%s", n, &said)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSalvageOfLittle damages most of a large file. The log must report that
// without a line for each page or group.
func TestSalvageOfLittle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path, Interval: time.Hour})
	noise := make([]byte, 1500) // so that a page has few groups
	for i := range 4000 {
		_, _ = rand.Read(noise) // never fails
		push(t, g, fmt.Sprintf("job%05d", i), fmt.Sprintf("# HELP m %x\nm 1\n", noise))
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	zeros := bytes.Clone(whole)
	clear(zeros[len(zeros)/8 : len(zeros)*7/8])
	for more, content := range map[string][]byte{
		"Salvage: restored further groups from such pages": whole[:len(whole)/2],
		"Salvage: further parts of the journal are lost":   zeros,
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		g := open(t, boltjournal.Config{Path: path, Salvage: true, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if n := strings.Count(said.String(), "\n"); n > 2010 || !strings.Contains(said.String(), more) || g.View().Groups() < 500 {
			t.Errorf("%d groups, and %d lines, but not %q", g.View().Groups(), n, more)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSalvageInVain cannot write the intact groups. The damaged file must stay,
// without one more name for each attempt.
func TestSalvageInVain(t *testing.T) {
	short, _ := journalOf(t, 10)
	content, err := os.ReadFile(short)
	if err != nil {
		t.Fatal(err)
	}
	content[20] ^= 1
	// The name is short enough for that of the damaged file, but too long for that
	// of a new file.
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 226))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c := gateway.Config{Journal: boltjournal.New(boltjournal.Config{Path: path, Salvage: true})}
		if _, err := gateway.Open(t.Context(), c); err == nil {
			t.Fatal("the journal was salvaged")
		}
	}
	if asides, err := filepath.Glob(path + ".damaged-*"); err != nil || len(asides) != 0 {
		t.Errorf("kept aside: %v %v", asides, err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
		t.Errorf("the damaged file has changed: %v", err)
	}
}

// TestKeepAsideThatFails keeps a path aside that can have no second name and
// cannot be copied. No part of it may be left.
func TestKeepAsideThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if aside, err := boltjournal.KeepAside(path, "damaged", time.Now()); err == nil {
		t.Errorf("a directory was kept aside as %s", aside)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("%q are left, %v", left, err)
	}
}
