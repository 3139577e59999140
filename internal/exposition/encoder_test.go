package exposition

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/metric"
)

// copier takes writes as a scrape does: it copies them into a buffer.
type copier struct{ buf []byte }

func (c *copier) Write(b []byte) (int, error) {
	if len(c.buf)+len(b) > cap(c.buf) {
		c.buf = c.buf[:0]
	}
	c.buf = append(c.buf, b...)
	return len(b), nil
}

// BenchmarkScrapeOfManyFamilies writes 100,000 families of one block each.
func BenchmarkScrapeOfManyFamilies(b *testing.B) {
	var text strings.Builder
	for f := range 100_000 {
		fmt.Fprintf(&text, "m%06d{shard=\"1\"} %d\n", f, f)
	}
	p := GetParser()
	parsed, err := p.ParseText([]byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	blocks, err := Render(parsed, Options{Grouping: []metric.Label{{Name: "job", Value: "j"}}, Valid: true})
	if err != nil {
		b.Fatal(err)
	}
	p.Release()
	w, runs := &copier{buf: make([]byte, 0, 256<<10)}, NewRuns(16<<20)
	b.ReportAllocs()
	for b.Loop() {
		e := NewEncoder(w, Format{Text, metric.UTF8}, nil)
		e.Join(runs)
		for _, block := range blocks {
			if err := e.Encode(ExposeBlock(block)); err != nil {
				b.Fatal(err)
			}
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScrape writes 9 families of 1,000 groups, whose blocks lie where
// 1,000 pushes have left them.
func BenchmarkScrape(b *testing.B) {
	families := make([][]*Block, 9)
	for g := range 1000 {
		var text strings.Builder
		for f := range families {
			fmt.Fprintf(&text, "# TYPE m%d_total counter\n", f)
			for s := range 11 {
				fmt.Fprintf(&text, "m%d_total{stage=\"transform\",shard=\"%02d\"} %d\n", f, s, g*s)
			}
		}
		p := GetParser()
		parsed, err := p.ParseText([]byte(text.String()))
		if err != nil {
			b.Fatal(err)
		}
		blocks, err := Render(parsed, Options{Grouping: []metric.Label{{Name: "job", Value: fmt.Sprint("job", g)}}, Valid: true})
		if err != nil {
			b.Fatal(err)
		}
		p.Release()
		for i, block := range blocks {
			families[i] = append(families[i], block)
		}
	}
	for _, c := range []struct {
		name            string
		syntax          Syntax
		runs, keepsNone bool
	}{{"text", Text, false, false}, {"text_runs", Text, true, false}, {"protobuf_made_anew", Protobuf, false, true}, {"protobuf", Protobuf, false, false}, {"protobuf_runs", Protobuf, true, false}} {
		b.Run(c.name, func(b *testing.B) {
			w := &copier{buf: make([]byte, 0, 256<<10)}
			runs := NewRuns(16 << 20)
			for b.Loop() {
				e := NewEncoder(w, Format{c.syntax, metric.UTF8}, nil)
				if !c.runs {
					runs = NewRuns(16 << 20) // each scrape is the first
				}
				if c.keepsNone {
					runs = NewRuns(0)
				}
				e.Join(runs)
				for _, blocks := range families {
					f := Exposed{Name: blocks[0].Name, Type: blocks[0].Type, Blocks: slices.Values(blocks)}
					for _, block := range blocks {
						f.Series += block.Series()
						f.ProtoSize += block.DelimitedSize()
					}
					if err := e.Encode(f); err != nil {
						b.Fatal(err)
					}
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// largest notes the size of the largest write.
type largest struct {
	text  strings.Builder
	write int
}

func (l *largest) Write(b []byte) (int, error) {
	l.write = max(l.write, len(b))
	return l.text.Write(b)
}

// TestReadable holds the forms of protobuf for people to what the library makes
// of whole families, though it never gets one whole.
func TestReadable(t *testing.T) {
	var text strings.Builder
	text.WriteString("# HELP m Help.\n# TYPE m gauge\n")
	for i := range 5_000 {
		fmt.Fprintf(&text, "m{\"a.b\"=\"%d\"} %d\n", i, i)
	}
	text.WriteString("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 2\nh_sum 3\n")
	p := GetParser()
	defer p.Release()
	parsed, err := p.ParseText([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(parsed, Options{Grouping: []metric.Label{{Name: "job", Value: "j"}}, Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	for syntax, format := range map[Syntax]expfmt.Format{ProtobufText: expfmt.FmtProtoText, ProtobufCompact: expfmt.FmtProtoCompact} {
		for _, escaping := range metric.Escapings {
			var got largest
			var want strings.Builder
			for _, b := range blocks {
				if err := NewEncoder(&got, Format{syntax, escaping}, nil).Encode(ExposeBlock(b)); err != nil {
					t.Fatal(err)
				}
				family := &dto.MetricFamily{Name: proto.String(b.Name), Type: dto.MetricType(b.Type).Enum()}
				if b.HasHelp() {
					family.Help = proto.String(b.Help)
				}
				if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(b.Proto(), family); err != nil {
					t.Fatal(err)
				}
				if err := expfmt.NewEncoder(&want, expfmt.Format(string(format)+"; escaping="+escaping.String())).Encode(family); err != nil {
					t.Fatal(err)
				}
			}
			// The library puts one space or two between fields, differently in each binary.
			if strings.ReplaceAll(got.text.String(), "  ", " ") != strings.ReplaceAll(want.String(), "  ", " ") {
				t.Errorf("%v, %v: got %.300q, want %.300q", syntax, escaping, got.text.String(), want.String())
			}
			if got.write > got.text.Len()/3 {
				t.Errorf("%v, %v: %d bytes of %d were made at once", syntax, escaping, got.write, got.text.Len())
			}
		}
	}
}

// TestEscapedInPieces escapes a family that is too large to be kept, of which
// each block has a series that escaping makes equal to one of the block before.
func TestEscapedInPieces(t *testing.T) {
	const groups, series = 20, 2_000
	f := Exposed{Name: "m", Type: metric.Untyped, NotLegacy: groups}
	var blocks []*Block
	for g := range groups {
		var text strings.Builder
		for i := range series - 1 {
			fmt.Fprintf(&text, "m{\"a.b\"=\"%d\",g=\"%d\"} 1\n", i, g)
		}
		fmt.Fprintf(&text, "m{\"a.b\"=\"x\",%q=\"y\"} 1\n", "c"+strings.Repeat(".", g%2)+"_")
		p := GetParser()
		parsed, err := p.ParseText([]byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		made, err := Render(parsed, Options{Valid: true, Bare: true})
		if err != nil {
			t.Fatal(err)
		}
		p.Release()
		blocks = append(blocks, made...)
		f.Series += made[0].Series()
		f.ProtoSize += made[0].DelimitedSize()
	}
	f.Blocks = slices.Values(blocks)

	var got largest
	e := NewEncoder(&got, Format{Protobuf, metric.Underscores}, nil)
	if err := e.Encode(f); err != nil {
		t.Fatal(err)
	}
	if most := got.text.Len() / groups * 2; got.write > most || got.text.Len() <= 1<<20 {
		t.Errorf("%d bytes of %d were written at once, want no more than %d", got.write, got.text.Len(), most)
	}
	var back dto.MetricFamily
	if err := protodelim.UnmarshalFrom(strings.NewReader(got.text.String()), &back); err != nil {
		t.Fatal(err)
	}
	if left := groups*series - len(back.Metric); left != e.Dropped || left == 0 {
		t.Errorf("%d series are missing, and %d are said to be left out", left, e.Dropped)
	}
}
