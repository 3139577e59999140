package exposition

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// TestSharedLabels renders families that share label sets, or nearly, as they
// come out when each is pushed alone.
func TestSharedLabels(t *testing.T) {
	var long string
	for i := range maxRows + 10 {
		long += fmt.Sprintf("x{n=\"%d\"} 1\n", i)
	}
	families := []string{
		"a{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"3\"} 3\n",
		"# TYPE b counter\nb{x=\"1\"} 1\nb{x=\"2\"} 2\nb{x=\"3\"} 3\nb{x=\"4\"} 4\n",
		"# TYPE c gauge\nc{x=\"1\"} 1\nc{x=\"2\" } 2\nc{x=\"4\"} 4\n",
		"d{x=\"1\",} 1\nd 2\nd{x=\"2\"} 2\nd{y=\"3\"} 3\n",
		"# TYPE h histogram\nh_bucket{x=\"1\",le=\"1\"} 1\nh_bucket{x=\"1\",le=\"+Inf\"} 2\nh_count{x=\"1\"} 2\n",
		"# TYPE s summary\ns{x=\"1\",quantile=\"0.5\"} 1\ns_count{x=\"1\"} 2\n",
		"e{x=\"1\"} 1\ne{instance=\"i\",x=\"2\"} 2\ne{\"x.y\"=\"3\"} 3\n",
		"f{x=\"1\"} 1\nf{instance=\"i\",x=\"2\"} 2\nf{\"x.y\"=\"3\"} 3\n",
		"{\"g.g\",x=\"1\"} 1\n{\"g.g\",x=\"2\"} 2\n",
		"i{x=\"1\"} 1\ni{x=\"\\\"\"} 2\n",
		"j{x=\"1\"} 1\nj{x=\"\\\"\"} 2\n",
		long,
		strings.ReplaceAll(long, "x{", "y{"),
	}
	together := rendered(t, strings.Join(families, ""))
	for i, family := range families {
		alone := rendered(t, family)
		if len(alone) != 1 || string(together[i].Text()) != string(alone[0].Text()) ||
			!slices.Equal(together[i].Proto(), alone[0].Proto()) || together[i].Legacy != alone[0].Legacy {
			t.Errorf("%q\n   alone %q\ntogether %q", family, alone[0].Text(), together[i].Text())
		}
	}
}

// TestSharedLabelsTwice looks for duplicates among label sets that are known.
func TestSharedLabelsTwice(t *testing.T) {
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte("a{x=\"1\"} 1\na{x=\"2\"} 2\nb{x=\"1\"} 1\nb{x=\"2\"} 2\nb{x=\"1\"} 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Render(families, Options{Valid: true}); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("a series that comes twice was not refused: %v", err)
	}
}

// BenchmarkPush reads and renders 99 series in 9 families that share their
// label sets, and in families where each series has values of its own; and
// fills in those of the push before.
func BenchmarkPush(b *testing.B) {
	for name, label := range map[string]func(family, series int) int{
		"shared": func(_, series int) int { return series },
		"own":    func(family, series int) int { return 100*family + series },
	} {
		var text strings.Builder
		for f := range 9 {
			fmt.Fprintf(&text, "# HELP etl_records_%d_total Records read.\n# TYPE etl_records_%d_total counter\n", f, f)
			for s := range 11 {
				fmt.Fprintf(&text, "etl_records_%d_total{stage=\"transform\",shard=\"%03d\"} %d\n", f, label(f, s), 1000*s)
			}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p := GetParser()
				families, err := p.ParseText([]byte(text.String()))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := Render(families, Options{Grouping: []metric.Label{{Name: "job", Value: "j"}}, Valid: true}); err != nil {
					b.Fatal(err)
				}
				p.Release()
			}
		})
		b.Run(name+" again", func(b *testing.B) {
			has := imprinted(b, text.String())
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := Refill([]byte(text.String()), slices.Values(has), testOptions); !ok {
					b.Fatal("it was not filled in")
				}
			}
		})
	}
}
