package exposition

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// TestStoredBeyondLimits reads back what was stored before there were limits.
// Of a family only what Prometheus cannot read is left out.
func TestStoredBeyondLimits(t *testing.T) {
	unlimited := Options{Limits: Limits{Name: math.MaxInt, LabelName: math.MaxInt, Value: math.MaxInt, Labels: math.MaxInt}, Valid: true}
	gauge := func(name, label, value string) *metric.Family {
		return &metric.Family{Name: name, Type: metric.Gauge, Series: []metric.Series{
			{Labels: []metric.Label{{Name: label, Value: value}}, Value: 1},
			{Labels: []metric.Label{{Name: "a", Value: "short"}}, Value: 2},
		}}
	}
	for name, tt := range map[string]struct {
		family  *metric.Family
		series  int
		tooLong int
	}{
		"more than a push may have":   {gauge("m", "a", strings.Repeat("x", 2<<20)), 2, 0},
		"the longest value":           {gauge("m", "a", strings.Repeat("x", cliff-1)), 2, 0},
		"a value that ends it":        {gauge("m", "a", strings.Repeat("x", cliff)), 1, 1},
		"a label name that may":       {gauge("m", strings.Repeat(".", cliff/widest), "x"), 1, 1},
		"a name that may, escaped":    {gauge(strings.Repeat(".", cliff/widest), "a", "x"), 0, 2},
		"the longest name, escaped":   {gauge(strings.Repeat(".", StoredLimits().Name), "a", "x"), 2, 0},
		"negative zero, as protobuf":  {&metric.Family{Name: "m", Type: metric.Gauge, Series: []metric.Series{{Labels: []metric.Label{{Name: "a", Value: strings.Repeat("x", cliff)}}, Value: math.Copysign(0, -1)}}}, 0, 1},
		"nothing that is out of line": {gauge("m", "a", "x"), 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, err := Render([]*metric.Family{tt.family}, unlimited)
			if err != nil {
				t.Fatal(err)
			}
			b, err := readStored(blocks[0].AppendStored(nil), blocks[0].StoredText())
			if err != nil {
				t.Fatal(err)
			}
			if b.Series() != tt.series || b.TooLong() != tt.tooLong || b.Name != tt.family.Name {
				t.Errorf("%d series and %d left out, want %d and %d", b.Series(), b.TooLong(), tt.series, tt.tooLong)
			}
		})
	}
}

// spent is a budget that has so many bytes.
type spent struct{ left, most int }

var errSpent = errors.New("spent")

func (s *spent) Take(n int) error {
	if n > s.left {
		return errSpent
	}
	s.left -= n
	s.most = max(s.most, n)
	return nil
}

func (s *spent) Return(n int) { s.left += n }

// TestBudget reads and renders with less and less to take. What is read comes
// back with the parser.
func TestBudget(t *testing.T) {
	body := []byte("# TYPE h histogram\n" + strings.Repeat("h_bucket{le=\"1\"} 1\n", 1000) + "h_count 1\n# TYPE s summary\n" + strings.Repeat("s{quantile=\"1\"} 1\n", 1000) + "g{a=\"x\\n\"} 1\n")
	taken := 0
	for _, all := range []int{1 << 20, 100_000, 50_000, 20_000, 0} {
		b := &spent{left: all}
		p := (&Parser{byName: make(map[string]*family)}).Within(Limits{}, b)
		families, err := p.ParseText(body)
		if err == nil {
			taken = all - b.left
			_, err = Render(families, Options{Valid: true, Budget: b})
		}
		if all < 100_000 && !errors.Is(err, errSpent) || all > 100_000 && err != nil {
			t.Errorf("with %d bytes: %v", all, err)
		}
		before := b.left
		p.Release()
		if err == nil && b.left != before+taken {
			t.Errorf("with %d bytes: %d were taken, and %d came back", all, taken, b.left-before)
		}
	}
}
