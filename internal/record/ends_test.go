package record_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
	"pushgateway/internal/record"
)

// endingGroup returns a group with a family of three series that end at the given
// times.
func endingGroup(t *testing.T, at ...int64) *gateway.Group {
	t.Helper()
	g := groupOf(t, "m{x=\"1\"} 1\nm{x=\"2\"} 1\nm{x=\"3\"} 1\n")
	g.Families[0].Ends = gateway.NewEnds(at)
	return gateway.Restore(*g)
}

// TestEnds encodes the times at which series end.
func TestEnds(t *testing.T) {
	now := time.Now().UnixNano()
	for _, at := range [][]int64{{now, now, now}, {now, 0, now - 5}, {0, 0, 1}, {1 << 62, 1, 1 << 62}} {
		g := endingGroup(t, at...)
		rec := record.Encode(g)
		record.Seal(rec, g.Key, 7)
		got, _, err := record.Decode(rec, g.Key)
		if err != nil {
			t.Fatal(err)
		}
		if format := record.FormatOf(rec); format != gateway.Format2 || !slices.Equal(got.Families[0].Ends.At(), at) {
			t.Errorf("the ends %v become %v in format %d", at, got.Families[0].Ends.At(), format)
		}
		if _, err := record.EncodeWithin(g, gateway.Format1, nil); !errors.Is(err, record.ErrOlder) {
			t.Errorf("for older readers: %v", err)
		}
	}
	g := endingGroup(t, 0, 0, 0)
	if rec := record.Encode(g); record.FormatOf(rec) != gateway.Format1 {
		t.Errorf("a group of which no series ends has format %d", record.FormatOf(rec))
	}
}

// TestWrongEnds decodes ends that do not fit the series.
func TestWrongEnds(t *testing.T) {
	whole := record.Encode(endingGroup(t, 1, 1, 1))
	content, err := s2.Decode(nil, whole[head:])
	if err != nil {
		t.Fatal(err)
	}
	field := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), []byte{3, 1, 1}) // 1, and twice the same
	if !strings.HasSuffix(string(content), string(field)) {
		t.Fatalf("the record ends with %q, want %q", content, field)
	}
	key := endingGroup(t, 1, 1, 1).Key
	for _, ends := range [][]byte{{3, 1, 0x81}, {2, 1, 1}, {3, 1, 4}} {
		wrong := append(slices.Clone(content[:len(content)-3]), ends...)
		rec := append(slices.Clone(whole[:head]), s2.Encode(nil, wrong)...)
		record.Seal(rec, key, 7)
		if _, _, err := record.Decode(rec, key); err == nil || !strings.HasPrefix(err.Error(), "the record is damaged") {
			t.Errorf("ends %x: %v", ends, err)
		}
	}
}

// TestEndsBesideTooLong decodes a family of which one series is left out, since its
// label would end a Prometheus. The others end in time.
func TestEndsBesideTooLong(t *testing.T) {
	f := &metric.Family{Name: "m", Type: metric.Gauge}
	for _, x := range []string{"1", strings.Repeat("x", 1<<24), "3"} {
		f.Series = append(f.Series, metric.Series{Labels: []metric.Label{{Name: "x", Value: x}}, Value: 1})
	}
	g := groupOf(t, "")
	unlimited := exposition.Limits{Name: math.MaxInt, LabelName: math.MaxInt, Value: math.MaxInt, Labels: math.MaxInt, Buckets: math.MaxInt}
	blocks, err := exposition.Render([]*metric.Family{f}, exposition.Options{Grouping: g.Key.Labels(), Valid: true, Limits: unlimited})
	if err != nil {
		t.Fatal(err)
	}
	g.Families = []gateway.Held{{Block: blocks[0], Pushed: g.Pushed, Ends: gateway.NewEnds([]int64{7, 8, 9})}}
	rec := record.Encode(gateway.Restore(*g))
	record.Seal(rec, g.Key, 7)
	got, _, err := record.Decode(rec, g.Key)
	if err != nil {
		t.Fatal(err)
	}
	if h := got.Families[0]; h.TooLong() != 1 || !slices.Equal(h.Ends.At(), []int64{7, 9}) {
		t.Errorf("%d series are left out, and the others end at %v, want 1 and [7 9]", h.TooLong(), h.Ends.At())
	}
}
