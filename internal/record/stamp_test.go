package record_test

import (
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/record"
)

// TestStamps adds stamps to a record. The group and its revision must stay the
// same, and a second stamp must not make the record grow.
func TestStamps(t *testing.T) {
	g := groupOf(t, "m{l=\"x\"} 1\n")
	for name, c := range map[string]struct {
		against gateway.Revision
		failing bool
	}{"the last push": {7, true}, "before the last push": {6, false}, "before the group was seen": {8, true}, "before it came to be": {0, false}} {
		rec := record.Encode(g)
		record.Seal(rec, g.Key, 7)
		size := 0
		for i := range 3 {
			s := gateway.Stamp{Key: g.Key, At: time.Unix(1_700_000_000+int64(i), 0), Reason: strings.Repeat("x", 100), FailedBy: "10.0.0.1", Against: c.against}
			stamped, err := record.Stamped(rec, s)
			if err != nil {
				t.Fatal(err)
			}
			rec = stamped
			got, revision, err := record.Decode(rec, g.Key)
			if err != nil {
				t.Fatal(err)
			}
			if revision != 7 || got.Revision != 7 || got.Series != g.Series || !got.Pushed.Equal(g.Pushed) {
				t.Errorf("%s: the group differs, or its revision %d", name, revision)
			}
			if got.Failing != c.failing || !got.Failed.Equal(s.At) || got.Failure != s.Reason || got.FailedBy != "" {
				t.Errorf("%s: failing %v, at %v for %q, by %q", name, got.Failing, got.Failed, got.Failure, got.FailedBy)
			}
			if size = max(size, len(rec)); i > 0 && len(rec) != size {
				t.Errorf("%s: the record has grown to %d bytes", name, len(rec))
			}
		}
	}
}

// TestOfStamp encodes the record of a group that has only a failure.
func TestOfStamp(t *testing.T) {
	g := groupOf(t, "m 1\n")
	s := gateway.Stamp{Key: g.Key, At: time.Unix(1_700_000_000, 0), Reason: "it says nothing", FailedBy: "10.0.0.1"}
	rec := record.OfStamp(s, 0)
	got, revision, err := record.Decode(rec, g.Key)
	if err != nil {
		t.Fatal(err)
	}
	if revision != 0 || !got.Pushed.IsZero() || !got.Failing || !got.Failed.Equal(s.At) || got.Failure != s.Reason || got.FailedBy != s.FailedBy || len(got.Families) != 0 {
		t.Errorf("got %+v of revision %d", got, revision)
	}
	for i := range rec {
		damaged := append([]byte{}, rec...)
		damaged[i] ^= 0x10
		if _, _, err := record.Decode(damaged, g.Key); err == nil {
			t.Errorf("a flipped bit in byte %d was not noticed", i)
		}
	}
}

func groupOf(t *testing.T, text string) *gateway.Group {
	t.Helper()
	key, err := grouping.NewKey("a")
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.Group{Key: key, Pushed: time.Unix(1_800_000_000, 0)}
	for _, b := range journaltest.Blocks(t, key, text) {
		g.Families = append(g.Families, gateway.Held{Block: b, Pushed: g.Pushed})
	}
	return gateway.Restore(g)
}
