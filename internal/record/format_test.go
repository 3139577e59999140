package record_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"pushgateway/internal/gateway"
	"pushgateway/internal/record"
)

// TestFormats encodes groups for readers of several formats. A record has the
// oldest format that does, and lacks what its format does not have.
func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		runs         string
		newest, want gateway.Format
		kept         string
	}{
		"a plain group":                        {"", gateway.Format2, gateway.Format1, ""},
		"a plain group, for older readers":     {"", gateway.Format1, gateway.Format1, ""},
		"a history of runs":                    {"ran", gateway.Format2, gateway.Format2, "ran"},
		"a history of runs, for older readers": {"ran", gateway.Format1, gateway.Format1, ""},
		"a large history of runs":              {strings.Repeat("ran", 1<<19), gateway.Format2, gateway.Format2, strings.Repeat("ran", 1<<19)},
	} {
		g := groupOf(t, "m 1\n")
		if c.runs != "" {
			g.Runs = []byte(c.runs)
		}
		rec, err := record.EncodeWithin(g, c.newest, nil)
		if err != nil {
			t.Fatal(err)
		}
		record.Seal(rec, g.Key, 7)
		got, _, err := record.Decode(rec, g.Key)
		if err != nil {
			t.Fatal(err)
		}
		if format := record.FormatOf(rec); format != c.want || string(got.Runs) != c.kept || got.Series != 1 {
			t.Errorf("%s: format %d with %d bytes of runs and %d series, want %d with %d", name, format, len(got.Runs), got.Series, c.want, len(c.kept))
		}
	}
	if _, err := record.EncodeWithin(groupOf(t, "m 1\n"), 0, nil); !errors.Is(err, record.ErrOlder) {
		t.Errorf("a group for readers of no format: %v", err)
	}
}

// TestFormatsOfRecords gives records a format that does not fit.
func TestFormatsOfRecords(t *testing.T) {
	g := groupOf(t, "m 1\n")
	g.Runs = []byte("ran")
	for name, c := range map[string]struct {
		format byte
		newer  bool
		want   string
	}{
		"no format":                {0, false, "there is no format 0"},
		"too old for what it has":  {1, false, "field 11 is unknown in format 1"},
		"newer":                    {3, true, "its format is 3, but this version reads up to 2"},
		"newer, with a stamp":      {3 | 0x80, true, "its format is 3, but this version reads up to 2"},
		"fields that it must lack": {2, false, "field 12 is unknown"},
	} {
		rec := record.Encode(g)
		if c.format == 2 {
			content, err := s2.Decode(nil, rec[head:])
			if err != nil {
				t.Fatal(err)
			}
			rec = append(rec[:head:head], s2.Encode(nil, append(content, 12<<3, 1))...)
		}
		rec[0] = c.format
		record.Seal(rec, g.Key, 7)
		_, _, err := record.Decode(rec, g.Key)
		if err == nil || errors.Is(err, record.ErrNewer) != c.newer || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
