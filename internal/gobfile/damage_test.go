package gobfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
)

func TestIs(t *testing.T) {
	empty := write(t, nil)
	legacy, utf8 := testdata(t, "1.11.3-legacy.gob"), testdata(t, "1.11.3-utf8.gob")
	bolt := binary.LittleEndian.AppendUint32(make([]byte, 16), 0xED0CDAED)
	for _, c := range []struct {
		name string
		head []byte
		want bool
	}{
		{"legacy", legacy[:gobfile.SniffLen], true},
		{"utf8", utf8[:gobfile.SniffLen], true},
		{"without groups", empty[:gobfile.SniffLen], true},
		{"all of it", legacy, true},
		{"nothing", nil, false},
		{"one byte", legacy[:1], false},
		{"zeros", make([]byte, gobfile.SniffLen), false},
		{"bbolt", bolt, false},
		{"text", []byte("# HELP x y\n# TYPE x gauge\nx 1\n"), false},
		{"JSON", []byte(`{"status":"success","data":[]}`), false},
		{"SQLite", []byte("SQLite format 3\x00abcdefgh"), false},
		{"gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), false},
		{"a struct as gob", []byte("\x1f\xff\x81\x03\x01\x01\x05Point\x01\xff\x82\x00\x01\x02"), false},
	} {
		if got := gobfile.Is(c.head); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// small is a file of one group with a family.
func small(t testing.TB) []byte {
	return write(t, read(t, mirror{"job\xffa": group("job", "a").with(gauge("m", 1))}.encode(t)).Groups)
}

func TestEveryTruncationIsAnError(t *testing.T) {
	for name, b := range map[string][]byte{"small": small(t), "without groups": write(t, nil), "recorded": testdata(t, "1.11.3-utf8.gob")} {
		read(t, b)
		for n := range b {
			f, err := gobfile.Read(bytes.NewReader(b[:n]))
			if !errors.Is(err, gobfile.ErrTruncated) || f != nil {
				t.Fatalf("%s, cut to %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

// TestFlippedBits only wants an end: there is no checksum to find them all.
func TestFlippedBits(t *testing.T) {
	b := small(t)
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			f, err := gobfile.Read(bytes.NewReader(b))
			if (f == nil) == (err == nil) || err != nil && !errors.Is(err, gobfile.ErrTruncated) && !errors.Is(err, gobfile.ErrDamaged) {
				t.Fatalf("bit %d of byte %d: %v, %v", bit, i, f, err)
			}
			b[i] ^= 1 << bit
		}
	}
}

// TestClaimsOfSize has files that say they hold far more than they do.
func TestClaimsOfSize(t *testing.T) {
	empty := string(write(t, nil))
	types, value := empty[:len(empty)-5], empty[len(empty)-5:] // a value without groups: size, type, 0, count
	top, ok := strings.CutSuffix(value, "\x00")
	if !ok || top[0] != '\x04' {
		t.Fatalf("another end than expected: %q", value)
	}
	const huge = "\xfa\x7f\xff\xff\xff\xff\xff"         // 2⁴⁷-1
	const over = "\xf8\xff\xff\xff\xff\xff\xff\xff\xff" // 2⁶⁴-1
	types += huge + top[1:]                             // what follows is the count of groups
	const group = "\x01\x00\x01"                        // one of them, up to the count of its labels
	const family = "\x01\x00\x02\x01\x00\x02"           // one with a family, up to the size of that
	for _, c := range []struct {
		name, file string
		want       error
	}{
		{"groups", types + huge, gobfile.ErrTruncated},
		{"labels", types + group + huge, gobfile.ErrTruncated},
		{"label", types + group + "\x01" + over, gobfile.ErrDamaged},
		{"long label", types + group + "\x01\xfc\x7f\xff\xff\xff", gobfile.ErrTruncated},
		{"families", types + "\x01\x00\x02" + over, gobfile.ErrTruncated},
		{"family", types + family + huge, gobfile.ErrDamaged},
		{"long family", types + family + "\xfc\x7f\xff\xff\xff", gobfile.ErrTruncated},
		{"field", types + "\x01\x00" + over, gobfile.ErrDamaged},
		{"number", types + "\x80", gobfile.ErrDamaged},
		{"message", over, gobfile.ErrTruncated},
		{"type", huge + "\xff\x83\x04\x01", gobfile.ErrDamaged},
		{"fields of a type", "\x20\xff\x83\x03\x02" + over, gobfile.ErrTruncated},
	} {
		_, err := gobfile.Read(strings.NewReader(c.file))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestOtherFiles(t *testing.T) {
	type other struct{ A map[string]string }
	for name, b := range map[string][]byte{
		"text":            []byte("# TYPE x gauge\nx 1\n"),
		"a map of others": encode(t, map[string]other{"a": {}}),
		"a map of maps":   encode(t, map[string]map[string]string{"a": {}}),
		"numbered groups": encode(t, map[int]mirrorGroup{1: {}}),
		"a group":         encode(t, mirrorGroup{}),
		"other labels":    encode(t, map[string]struct{ Labels map[string]int }{"a": {}}),
		"other metrics":   encode(t, map[string]struct{ Metrics map[string]other }{"a": {}}),
		"other timestamp": encode(t, map[string]struct {
			Metrics map[string]struct{ Timestamp string }
		}{"a": {}}),
		"other families": encode(t, map[string]struct {
			Metrics map[string]struct{ GobbableMetricFamily []byte }
		}{"a": {}}),
	} {
		if _, err := gobfile.Read(bytes.NewReader(b)); !errors.Is(err, gobfile.ErrDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReadFails(t *testing.T) {
	b := small(t)
	r := iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(b)))
	if _, err := gobfile.Read(r); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	r = iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(b)))
	if _, err := gobfile.Read(r); err != nil {
		t.Error(err)
	}
}

// TestWriteFails wants the error of the file that is written to.
func TestWriteFails(t *testing.T) {
	if err := gobfile.Write(failing{}, slices.Values([]*gateway.Group{})); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }
