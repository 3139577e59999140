package exposition

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"pushgateway/internal/metric"
)

// TestKeptProtobuf scrapes more protobuf than blocks may keep, compressed and not,
// and compares it with scrapes that keep nothing.
func TestKeptProtobuf(t *testing.T) {
	families, runs := manyBlocks(t, rand.New(rand.NewPCG(1, 2))), NewRuns(2_000)
	for range 4 {
		want, got := exposeAll(t, Protobuf, families, nil), exposeAll(t, Protobuf, families, runs)
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Fatalf("kept in part:\n%q\nnot kept:\n%q", got, want)
		}
		packAll(t, Protobuf, "gzip", families, runs)
	}
	kept, largest := 0, 0
	for _, blocks := range families {
		for _, b := range blocks {
			if largest = max(largest, b.proto); b.made.Load() != nil {
				kept += b.proto
			}
		}
	}
	if kept <= runs.maxMade-largest || kept > runs.maxMade {
		t.Errorf("blocks keep %d bytes, want %d but for less than a block", kept, runs.maxMade)
	}
}

// FuzzMadeProtobuf makes the protobuf of blocks one after the other, as scrapes do,
// and of each alone.
func FuzzMadeProtobuf(f *testing.F) {
	f.Add("stage", "load", "extract", "i-1", "i-2", "i-10")
	f.Add("stage", "a\\", "b\"", "\"a", "a\\", "\n\n")
	f.Add("a.b", "\\\\", "1234567", "8", "9", "a\"} 1\n")
	f.Add("stage", "", "", "", "x", "")
	f.Fuzz(func(t *testing.T, label, one, other, a, b, c string) {
		if !utf8.ValidString(a + "," + b + "," + c) {
			return // no grouping key has such values
		}
		var together plainReader
		for i, instance := range []string{a, b, c, b, a, c} {
			blocks, err := Render(likeFamilies(i, label, []string{one, other}), Options{Grouping: []metric.Label{{Name: "instance", Value: instance}}})
			if err != nil {
				return
			}
			for _, block := range blocks {
				var alone plainReader
				got, want := together.appendProto(nil, block), alone.appendProto(nil, block)
				if !block.onlyText() || !bytes.Equal(got, want) || len(got) != block.proto {
					t.Fatalf("protobuf of %q\n got %q\nwant %q", block.Text(), got, want)
				}
			}
		}
	})
}

// likeFamilies gives the families of the nth push, which differ a little.
func likeFamilies(n int, label string, values []string) []*metric.Family {
	gauges := &metric.Family{Name: "m", Type: metric.Gauge}
	histograms := &metric.Family{Name: "h", Type: metric.Histogram}
	for i := range 3 + n%2 {
		labels := []metric.Label{{Name: "n", Value: fmt.Sprint(i * 5)}, {Name: label, Value: values[(n+i)%2]}}
		gauges.Series = append(gauges.Series, metric.Series{Labels: labels, Value: float64(n*i) / 2})
		h := &metric.Buckets{Count: metric.Count{Int: 3}, Sum: 1.5, Classic: []metric.Bucket{{UpperBound: 0.5, Count: metric.Count{Int: uint64(i % 3)}}}}
		histograms.Series = append(histograms.Series, metric.Series{Labels: labels, Histogram: h})
	}
	return []*metric.Family{gauges, histograms}
}
