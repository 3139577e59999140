package exposition

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// linesOf has what the lines of every corpus that follows come to, for each
// version of the renderer. If TestRendererVersion fails because lines are
// written in another way now, raise rendererVersion and add what it prints: then
// lines that are stored are rendered anew. Entries of earlier versions stay.
var linesOf = map[int]string{
	1: "5e07897bf72968599d538ae66d7178fa3f3087b2da6141352dc88d563341678d",
}

// corpus has a body for each way in which lines can look.
func corpus() []string {
	values := []float64{0, 1, 10, 999_999, 1e6, 1_760_000_123, 1 << 53, 1e21, -1, -1e6, 0.1, 0.25, 1e-4, 1e-5, 123.456, 1e300, math.SmallestNonzeroFloat64, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}
	var numbers strings.Builder
	for i, v := range values {
		fmt.Fprintf(&numbers, "# TYPE v%d gauge\nv%d %v\n", i, i, v)
	}
	return []string{
		numbers.String(),
		"# TYPE c counter\nc{b=\"2\",a=\"1\"} 1\nc{a=\"\\\\ \\\" \\n é\",b=\"\"} 2\nc 3\nc{a=\"1\"} 4\nc{z=\"1\"} 4\nc{b=\"1\",z=\"1\"} 4\n",
		"{\"m.n\"} 1\n{\"m.n\",\"a.b\"=\"1\",c=\"2\"} 2\nplain{\"a \\\"q\"=\"1\",job=\"mine\",instance=\"x\"} 1\n{\"q\\\"q\\\\\",a=\"1\"} 1\n",
		"# TYPE h histogram\nh_bucket{le=\"0.1\"} 0\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 2000000\nh_sum -0.5\nh_count 2000000\nh_bucket{a=\"1\",le=\"+Inf\"} 0\nh_count{a=\"1\"} 0\nh_sum{a=\"1\"} NaN\n",
		"# TYPE g gaugehistogram\ng_bucket{le=\"-1\",a=\"b\"} 1\ng_bucket{le=\"+Inf\",a=\"b\"} 1\ng_sum{a=\"b\"} 1\ng_count{a=\"b\"} 1\n",
		"# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns{quantile=\"0.99\"} 1e-7\ns_sum 1\ns_count 3\ns_sum{a=\"1\"} 1\ns_count{a=\"1\"} 1e6\n",
		"# TYPE open histogram\nopen_bucket{le=\"1\"} 1\nopen_count 2\n# TYPE odd histogram\nodd_bucket{le=\"2\"} 5\nodd_bucket{le=\"1\"} 1.5\nodd_count 1\n# TYPE z gauge\nz -0\n",
		"# TYPE le gauge\nle{le=\"1\",quantile=\"1\"} 1\n# TYPE a_sum summary\na_sum{quantile=\"1\"} 1\na_sum_sum 1\na_sum_count 1\n",
	}
}

// adopted is what a record that has only this family gives without rendering.
func adopted(family, text []byte) *Block {
	r := GetStoredReader()
	defer r.Release()
	return r.adopt(family, text)
}

// readStored is what such a record gives.
func readStored(family, text []byte) (*Block, error) {
	r := GetStoredReader()
	defer r.Release()
	return r.Read(family, text)
}

// rendered parses and renders the text of a push.
func rendered(t testing.TB, body string) []*Block {
	t.Helper()
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(families, Options{Grouping: []metric.Label{{Name: "job", Value: "j"}}, Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// TestRendererVersion fails if lines come out as others and the version of the
// renderer is the same.
func TestRendererVersion(t *testing.T) {
	sum := sha256.New()
	for _, body := range corpus() {
		for _, b := range rendered(t, body) {
			fmt.Fprintf(sum, "%q %q %s %d\n%s", b.Name, b.Help, b.Type, b.Series(), b.Text())
		}
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != linesOf[rendererVersion] {
		t.Errorf("version %d of the renderer gives %s, and it gave %q: raise the version", rendererVersion, got, linesOf[rendererVersion])
	}
}

// TestAdopt stores blocks, and takes them back without rendering whatever text
// says all of.
func TestAdopt(t *testing.T) {
	for _, body := range corpus() {
		blocks := rendered(t, body)
		checkStored(t, blocks)
		for _, b := range blocks {
			if got := adopted(b.AppendStored(nil), b.StoredText()) != nil; got != (b.StoredText() != nil) {
				t.Errorf("family %s, adopted: %v\n%s", b.Name, got, b.Text())
			}
		}
	}
}

// TestOtherVersions renders anew what another version has written, or one that
// did not say which it was.
func TestOtherVersions(t *testing.T) {
	b := RenderGauge("m", "Help.", nil, 1)
	for name, family := range map[string][]byte{
		"none":  appendFamily(nil, b.Name, b.Help, true, b.Unit, b.Type, 0),
		"later": append(appendFamily(nil, b.Name, b.Help, true, b.Unit, b.Type, 3), appendInt(nil, storedVersion, rendererVersion+1)...),
	} {
		if adopted(family, b.Text()) != nil {
			t.Errorf("%s: the lines were adopted", name)
		}
		back, err := readStored(family, []byte("m{instance=\"\"} 1.0\n"))
		if err != nil || !bytes.Equal(back.Text(), b.Text()) || back.Help != b.Help {
			t.Errorf("%s: got %q, %v", name, back.Text(), err)
		}
	}
}

// TestAdoptRows takes families with nearly the same label sets off one record.
func TestAdoptRows(t *testing.T) {
	lines := func(name string, values ...int) string {
		var b strings.Builder
		for _, v := range values {
			fmt.Fprintf(&b, "%s{a=\"%d\"} 1\n", name, v)
		}
		return b.String()
	}
	many := make([]int, 3*maxRows)
	for i := range many {
		many[i] = i
	}
	r := GetStoredReader()
	defer r.Release()
	for i, tt := range []struct {
		values []int
		twice  bool
	}{
		{values: []int{1, 2, 3}},
		{values: []int{1, 2, 3}},
		{values: []int{1, 2}},
		{values: []int{1, 2, 3, 4}},
		{values: []int{1, 2, 3, 4, 1}, twice: true},
		{values: []int{1, 2, 3, 4, 4}, twice: true},
		{values: []int{4, 2, 3}},
		{values: []int{4, 2, 3, 4}, twice: true},
		{values: []int{2, 2}, twice: true},
		{values: []int{3, 4, 2}},
		{values: []int{3, 4, 2}},
		{values: many},
		{values: many},
		{values: append(many[:len(many):len(many)], 5), twice: true},
		{values: append(many[:len(many):len(many)], len(many)-1), twice: true},
		{values: []int{0, 1, 0}, twice: true},
	} {
		name := fmt.Sprintf("m%d", i)
		family, text := headOf(name, "", metric.Gauge), []byte(lines(name, tt.values...))
		got := r.adopt(family, text)
		if (got == nil) != tt.twice {
			t.Fatalf("family %d, adopted: %v", i, got != nil)
		}
		want, _, err := renderStored(family, text)
		if (err != nil) != tt.twice {
			t.Fatalf("family %d: %v", i, err)
		}
		if got != nil {
			compareBlocks(t, []*Block{got}, []*Block{want})
		}
	}
}

// headOf is what is stored of a family of this version beside its lines.
func headOf(name, help string, t metric.Type) []byte {
	version := appendInt(nil, storedVersion, rendererVersion)
	return append(appendFamily(nil, name, help, help != "", "", t, len(version)), version...)
}

// FuzzAdopt reads two families, one after the other, that anybody may have
// written. If their lines are adopted, that is what rendering makes of them.
func FuzzAdopt(f *testing.F) {
	for _, body := range corpus() {
		before := RenderGauge("before", "", nil, 1)
		for _, b := range rendered(f, body) {
			f.Add(before.Name, uint8(before.Type), before.Text(), b.Name, b.Help, uint8(b.Type), b.Text())
			before = b
		}
	}
	f.Fuzz(func(t *testing.T, before string, typeBefore uint8, textBefore []byte, name, help string, typ uint8, text []byte) {
		r := GetStoredReader()
		defer r.Release()
		for _, s := range []struct{ family, text []byte }{
			{headOf(before, "", metric.Type(typeBefore)), textBefore},
			{headOf(name, help, metric.Type(typ)), text},
		} {
			got := r.adopt(s.family, s.text)
			if got == nil {
				continue
			}
			want, _, err := renderStored(s.family, s.text)
			if err != nil {
				t.Fatalf("%q was adopted, but cannot be rendered: %v", s.text, err)
			}
			compareBlocks(t, []*Block{got}, []*Block{want})
			checkReadable(t, []*Block{got})
		}
	})
}

// FuzzRepeat reads a family that anybody may have written after another one. If
// it has the same lines with other values, that is what rendering makes of it.
func FuzzRepeat(f *testing.F) {
	for _, body := range corpus() {
		for _, b := range rendered(f, body) {
			f.Add(b.Name, uint8(b.Type), b.Text(), b.Text())
			f.Add(b.Name, uint8(b.Type), b.Text(), bytes.ReplaceAll(b.Text(), []byte(" 1\n"), []byte(" 2.5\n")))
		}
	}
	f.Fuzz(func(t *testing.T, name string, typ uint8, before, text []byte) {
		family := headOf(name, "", metric.Type(typ))
		old, err := readStored(family, before)
		if err != nil {
			return
		}
		r := GetStoredReader()
		defer r.Release()
		if !r.Repeats(old, family, text) {
			if bytes.Equal(text, old.Text()) && old.StoredText() != nil && adopted(family, text) != nil && metric.IsLegacyName(name) {
				t.Fatalf("%q does not repeat itself", text)
			}
			return
		}
		want, _, err := renderStored(family, text)
		if err != nil {
			t.Fatalf("%q was taken for a repetition, but cannot be rendered: %v", text, err)
		}
		compareBlocks(t, []*Block{r.Repeated()[0]}, []*Block{want})
	})
}
