package record_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/record"
)

// head is the size of what precedes the content: version, checksum and
// revision.
const head = 1 + 8 + 8

// FuzzDecode decodes arbitrary content with a valid checksum, in each format.
// Decode must return an error, or a group that stays the same when it is encoded and
// decoded again.
func FuzzDecode(f *testing.F) {
	key, err := grouping.NewKey("a")
	if err != nil {
		f.Fatal(err)
	}
	for _, g := range groups(f, key) {
		rec := record.Encode(g)
		content, err := s2.Decode(nil, rec[head:])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for format := gateway.Format1; format <= gateway.NewestFormat; format++ {
			checkDecode(t, key, format, content)
		}
	})
}

func checkDecode(t *testing.T, key grouping.Key, format gateway.Format, content []byte) {
	t.Helper()
	rec := append(make([]byte, head), s2.Encode(nil, content)...)
	rec[0] = byte(format)
	record.Seal(rec, key, 7)
	g, revision, err := record.Decode(rec, key)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "the record is damaged: ") {
			t.Fatalf("decoding a record with a valid checksum: got %v, want damage", err)
		}
		return
	}
	byName := func(a, b gateway.Held) int { return strings.Compare(a.Name, b.Name) }
	if revision != 7 || !slices.IsSortedFunc(g.Families, byName) {
		t.Fatalf("revision %d, families %v", revision, g.Families)
	}
	once := stored(t, g)
	if record.FormatOf(once) > format {
		t.Fatalf("a record of format %d is written with format %d", format, record.FormatOf(once))
	}
	for _, old := range append(groups(t, key), g) {
		like, err := record.DecodeAs(rec, key, 7, old)
		if err != nil || !bytes.Equal(stored(t, like), once) || like.Series != g.Series {
			t.Fatalf("decoded with the knowledge of %q, the record is another: %v", stored(t, old), err)
		}
	}
	if twice := stored(t, reread(t, once, key)); !bytes.Equal(stored(t, reread(t, twice, key)), twice) {
		t.Fatalf("encoding %q again changes the record", twice)
	}
}

func stored(t testing.TB, g *gateway.Group) []byte {
	rec := record.Encode(g)
	record.Seal(rec, g.Key, 7)
	return rec
}

func reread(t *testing.T, rec []byte, key grouping.Key) *gateway.Group {
	t.Helper()
	g, _, err := record.Decode(rec, key)
	if err != nil {
		t.Fatalf("a decoded group cannot be encoded: %v", err)
	}
	return g
}

// groups returns groups as pushes produce them.
func groups(t testing.TB, key grouping.Key) (all []*gateway.Group) {
	now := time.Unix(1_800_000_000, 5)
	for _, text := range []string{
		"", "# HELP a b\n# TYPE a counter\na{x=\"1\"} 1\nb -0\n",
		"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n",
	} {
		g := gateway.Group{Key: key, Pushed: now, Failed: now.Add(time.Second), Failure: "why", FailedBy: "10.0.0.1", Expires: now.Add(time.Hour), Since: 3}
		for _, b := range journaltest.Blocks(t, key, text) {
			g.Families = append(g.Families, gateway.Held{Block: b, Pushed: now.Add(-time.Minute), Claim: 5})
		}
		all = append(all, gateway.Restore(g))
		g.Runs = []byte("a history")
		all = append(all, gateway.Restore(g))
		g.Families = slices.Clone(g.Families)
		for i := range g.Families {
			h := &g.Families[i]
			h.Ends = gateway.NewEnds(slices.Repeat([]int64{now.UnixNano()}, h.Series()))
		}
		all = append(all, gateway.Restore(g))
	}
	return all
}
