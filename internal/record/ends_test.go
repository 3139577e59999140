package record_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/gateway"
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
