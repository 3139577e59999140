package gobfile_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"pushgateway/internal/gobfile"
)

// FuzzRead reads anything without a panic, and what it could read it can
// write and read again.
func FuzzRead(f *testing.F) {
	for _, name := range recorded {
		b := testdata(f, name+".gob")
		f.Add(b)
		for _, part := range []int{2, 3, 10} {
			f.Add(b[:len(b)/part])
			f.Add(b[:len(b)-len(b)/part])
		}
	}
	f.Add(small(f))
	f.Add(write(f, nil))
	f.Add(withReceipts(f, small(f), receipts(3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := gobfile.Read(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, gobfile.ErrTruncated) && !errors.Is(err, gobfile.ErrDamaged) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if !gobfile.Is(b) {
			t.Error("it can be read, but does not look like it")
		}
		holdsTogether(t, file)
	})
}

// FuzzReadFamily does it for the content of a file, behind an encoding that
// is in order.
func FuzzReadFamily(f *testing.F) {
	for _, name := range recorded {
		for _, g := range decodeMirror(f, testdata(f, name+".gob")) {
			for name, entry := range g.Metrics {
				b, err := entry.GobbableMetricFamily.GobEncode()
				if err != nil {
					f.Fatal(err)
				}
				f.Add("a", "l", "1", name, b, entry.Timestamp.UnixNano())
			}
		}
	}
	f.Fuzz(func(t *testing.T, job, label, value, name string, msg []byte, nanos int64) {
		raw := rawFamily(msg)
		g := rawGroup{map[string]string{"job": job, label: value}, map[string]rawEntry{name: {time.Unix(0, nanos), &raw}}}
		key := "job\xff" + g.Labels["job"]
		switch {
		case label > "job":
			key += "\xff" + label + "\xff" + value
		case label < "job":
			key = label + "\xff" + value + "\xff" + key
		}
		file, err := gobfile.Read(bytes.NewReader(encode(t, map[string]rawGroup{key: g})))
		if err != nil {
			if !errors.Is(err, gobfile.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		holdsTogether(t, file)
	})
}

// holdsTogether wants a file whose groups can be exposed, and be written and
// read again.
func holdsTogether(t *testing.T, file *gobfile.File) {
	t.Helper()
	again := read(t, write(t, file.Groups))
	if len(again.Problems) > 0 {
		t.Errorf("problems with what was written: %v", again.Problems)
	}
	if what := sameGroups(file.Groups, again.Groups); what != "" {
		t.Errorf("written and read again: another %s", what)
	}
	get(t, serve(t, file.Groups), "/metrics", "")
}
