package exposition

import (
	"bytes"
	"fmt"
	"testing"
	"unicode/utf8"

	"pushgateway/internal/metric"
)

// FuzzLikeBlocks makes the protobuf of blocks one after the other, as scrapes do,
// and each alone.
func FuzzLikeBlocks(f *testing.F) {
	f.Add("stage", "load", "extract", "i-1", "i-2", "i-10")
	f.Add("stage", "a\\", "b\"", "\"a", "a\\", "\n\n")
	f.Add("a.b", "\\\\", "1234567", "8", "9", "a\"} 1\n")
	f.Add("stage", "", "", "", "x", "")
	f.Fuzz(func(t *testing.T, label, one, other, a, b, c string) {
		if !utf8.ValidString(a + "," + b + "," + c) {
			return // no grouping key has such values
		}
		var p plainReader
		for i, instance := range []string{a, b, c, b, a, c} {
			gauges := &metric.Family{Name: "m", Type: metric.Gauge}
			histograms := &metric.Family{Name: "h", Type: metric.Histogram}
			for n := range 3 + i%2 {
				labels := []metric.Label{{Name: "n", Value: fmt.Sprint(n * 5)}, {Name: label, Value: []string{one, other}[(n+i)%2]}}
				gauges.Series = append(gauges.Series, metric.Series{Labels: labels, Value: float64(i*n) / 2})
				h := &metric.Buckets{Count: metric.Count{Int: 3}, Sum: 1.5, Classic: []metric.Bucket{{UpperBound: 0.5, Count: metric.Count{Int: uint64(n % 3)}}}}
				histograms.Series = append(histograms.Series, metric.Series{Labels: labels, Histogram: h})
			}
			families := []*metric.Family{gauges}
			if i%4 == 3 {
				families = append(families, histograms)
			}
			blocks, err := Render(families, Options{Grouping: []metric.Label{{Name: "instance", Value: instance}}})
			if err != nil {
				return
			}
			for _, block := range blocks {
				if !block.onlyText() {
					return
				}
				var alone plainReader
				if got, want := p.protoOf(block), alone.protoOf(block); !bytes.Equal(got, want) || len(got) != block.proto {
					t.Fatalf("protobuf of %q\n got %q\nwant %q", block.Text(), got, want)
				}
			}
			checkProto(t, families, Options{Grouping: []metric.Label{{Name: "instance", Value: instance}}})
		}
	})
}
