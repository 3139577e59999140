package exposition

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// mergedSlowly is what Merge gives, made by reading all series of both blocks and
// writing them anew.
func mergedSlowly(stored, pushed *Block, maxBytes int) (*Block, error) {
	f := &metric.Family{Name: pushed.Name, Help: pushed.Help, EmptyHelp: pushed.EmptyHelp, Type: pushed.Type}
	if f.Help == "" {
		f.Help, f.EmptyHelp = stored.Help, stored.EmptyHelp || pushed.EmptyHelp && stored.Help == ""
	}
	at := make(map[string]int)
	for _, b := range []*Block{stored, pushed} {
		b.EachSeries(func(s metric.Series) bool {
			set := string(appendSet(nil, s.Labels))
			if i, ok := at[set]; ok {
				f.Series[i] = s
				return true
			}
			at[set] = len(f.Series)
			f.Series = append(f.Series, s)
			return true
		})
	}
	blocks, err := Render([]*metric.Family{f}, Options{Bare: true, Valid: true, MaxBytes: maxBytes, Limits: StoredLimits()})
	if err != nil {
		return nil, err
	}
	return blocks[0], nil
}

// checkMerge holds a merge of two blocks against one that reads all series. It
// gives the result, nil if they cannot be merged.
func checkMerge(t *testing.T, stored, pushed *Block) *Block {
	t.Helper()
	got, err := Merge(stored, pushed, 0, nil)
	if stored.Type != pushed.Type {
		if err == nil {
			t.Fatal("two types were merged")
		}
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := mergedSlowly(stored, pushed, 0)
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, got, want)
	back, err := readStored(got.AppendStored(nil), got.StoredText())
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, back, want)
	size := len(want.Text()) + want.proto
	if want.leftOut() > 0 {
		size += len(want.delimited())
	}
	if _, err := Merge(stored, pushed, size, nil); err != nil {
		t.Fatalf("merging within %d bytes: %v", size, err)
	}
	if size > 1 {
		if _, err := Merge(stored, pushed, size-1, nil); err == nil {
			t.Fatalf("merging within %d bytes gives %d", size-1, size)
		}
	}
	return got
}

// checkSame compares all that a block says.
func checkSame(t *testing.T, got, want *Block) {
	t.Helper()
	said := func(b *Block) string {
		return fmt.Sprintf("%q %q %t %v, %d series, legacy %t, %d left out, %d in protobuf, %d without those\n%s%q\n%q", b.Name, b.Help, b.HasHelp(), b.Type, b.Series(), b.Legacy, b.leftOut(), b.proto, b.DelimitedSize(), b.Text(), b.AppendProto(nil), b.delimited())
	}
	if g, w := said(got), said(want); g != w {
		t.Fatalf("got %s\nwant %s", g, w)
	}
	other := kinds["gauges"].of("1", "2") // the same family has more in a scrape
	g, w := exposeAll(t, Protobuf, [][]*Block{{got, other}}, nil), exposeAll(t, Protobuf, [][]*Block{{want, other}}, nil)
	if content := append(slices.Clip(want.delimited()), other.delimited()...); !bytes.Equal(g.Bytes(), w.Bytes()) || !bytes.HasSuffix(g.Bytes(), content) {
		t.Fatalf("a scrape of %s is %q\nwant %q\nwhich ends with %q", got.Text(), g, w, content)
	}
	if !slices.Equal(got.Hashes(), want.Hashes()) {
		t.Fatalf("%s: its hashes are not those of its series", got.Text())
	}
	if want.onlyText() && got.onlyText() && got.open != want.open {
		t.Fatalf("%s: open %t, want %t", got.Text(), got.open, want.open)
	}
}

// blocksOf renders a body, as text or else as protobuf; nil if it is refused.
func blocksOf(body []byte, isText bool) (blocks []*Block) {
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText(body)
	if !isText {
		families, err = p.ParseProto(body)
	}
	if err == nil {
		blocks, _ = Render(families, Options{Grouping: []metric.Label{{Name: "job", Value: "j"}}})
	}
	return blocks
}

// kind is how the series of a family are written: format has the value of a label
// and that of the series.
type kind struct{ head, format string }

var kinds = map[string]kind{
	"gauges":          {"# TYPE m gauge\n", "m{a=\"%[1]s\"} %[2]s\n"},
	"counters":        {"# HELP m some\n# TYPE m counter\n", "m{b=\"1\",a=\"%[1]s\"} %[2]s\n"},
	"untyped":         {"", "m{a=\"%[1]s\"} %[2]s\n"},
	"other names":     {"", "{\"m.x\",\"a b\"=\"%[1]s\"} %[2]s\n"},
	"help":            {"# HELP m other\n", "m{a=\"%[1]s\"} %[2]s\n"},
	"summaries":       {"# TYPE m summary\n", "m{a=\"%[1]s\",quantile=\"0.5\"} %[2]s\nm_count{a=\"%[1]s\"} 1\n"},
	"counts":          {"# TYPE m summary\n", "m_count{a=\"%[1]s\"} %[2]s\n"},
	"odd summaries":   {"# TYPE \"m.s\" summary\n", "{\"m.s_count\",a=\"%[1]s\"} %[2]s\n"},
	"open histograms": {"# TYPE m histogram\n", "m_bucket{a=\"%[1]s\",le=\"1\"} %[2]s\nm_count{a=\"%[1]s\"} 1\n"},
	"histograms":      {"# TYPE m histogram\n", "m_bucket{a=\"%[1]s\",le=\"2\"} 0\nm_bucket{a=\"%[1]s\",le=\"+Inf\"} %[2]s\nm_sum{a=\"%[1]s\"} 3\nm_count{a=\"%[1]s\"} %[2]s\n"},
}

// TestMerge merges series of every kind, many times into the same block.
func TestMerge(t *testing.T) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			replaced, leftOut := false, false
			for range 30 {
				stored := k.block(t, rnd)
				for range 10 {
					pushed := k.block(t, rnd)
					if other := kinds["histograms"]; rnd.IntN(4) == 0 && stored.Type == metric.Histogram {
						pushed = other.block(t, rnd)
					}
					merged := checkMerge(t, stored, pushed)
					leftOut = leftOut || merged.leftOut() > 0
					replaced = replaced || merged.Series() < stored.Series()+pushed.Series()
					stored = merged
				}
			}
			if !replaced {
				t.Error("no series was replaced")
			}
			if name == "open histograms" && !leftOut {
				t.Error("no histogram contradicted itself")
			}
		})
	}
}

// of returns a block of one series.
func (k kind) of(label, value string) *Block {
	return blocksOf(fmt.Appendf([]byte(k.head), k.format, label, value), true)[0]
}

// block makes a block of a few series, some with labels that look like something
// else, and some with values that text cannot say.
func (k kind) block(t *testing.T, rnd *rand.Rand) *Block {
	t.Helper()
	labels := []string{"", "1", "2", "3", "} 1\\nm_count{", "\\\\", "\\\"} 2", "{", ",", "ü", "_count", " "}
	values := []string{"0", "1", "2.5", "1e21", "NaN", "+Inf", "-7", "-0"}
	if strings.Contains(k.head, "histogram") {
		values = []string{"0", "1", "1.5", "5"} // 5 of 1 contradicts itself
	}
	values = values[:1+rnd.IntN(len(values))]
	text := k.head
	for _, i := range rnd.Perm(len(labels))[:1+rnd.IntN(6)] {
		text += fmt.Sprintf(k.format, labels[i], values[rnd.IntN(len(values))])
	}
	blocks := blocksOf([]byte(text), true)
	if len(blocks) != 1 {
		t.Fatalf("%s is refused", text)
	}
	return blocks[0]
}

// TestMergeWithoutSeries merges with families of protobuf that have no series.
func TestMergeWithoutSeries(t *testing.T) {
	for _, name := range []string{"m", "m.x"} {
		for typ := metric.Counter; typ <= metric.GaugeHistogram; typ++ {
			blocks, err := Render([]*metric.Family{
				{Name: name, Type: typ, Help: "none"},
				{Name: name, Type: typ, EmptyHelp: true, Series: []metric.Series{{Value: 1, Summary: new(metric.Quantiles), Histogram: new(metric.Buckets)}}},
			}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, stored := range blocks {
				for _, pushed := range blocks {
					checkMerge(t, stored, pushed)
				}
			}
		}
	}
}

// FuzzMerge merges the families of two bodies that have the same name.
func FuzzMerge(f *testing.F) {
	for _, isText := range []bool{true, false} {
		for _, body := range recordedBodies(f, !isText) {
			f.Add(body, body, isText)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, k := range kinds {
		f.Add(fmt.Appendf([]byte(k.head), k.format, "1", "2"), fmt.Appendf([]byte(k.head), k.format, fmt.Sprint(rnd.IntN(2)), "-0"), true)
	}
	f.Fuzz(func(t *testing.T, stored, pushed []byte, isText bool) {
		for _, a := range blocksOf(stored, isText) {
			for _, b := range blocksOf(pushed, isText) {
				if a.Name == b.Name {
					checkMerge(t, a, b)
				}
			}
		}
	})
}
