package exposition

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// FuzzPlain holds protobuf made of text against protobuf made of the families
// themselves.
func FuzzPlain(f *testing.F) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e6, 1e21, 1e-7, 1.0 / 3, 1 << 53, math.MaxFloat64,
		math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff0000000000002)} {
		f.Add("m", "a", "1", "job", "j", math.Float64bits(v))
	}
	f.Add("m.x", "a b", "\\", "b\\\"", "\n", uint64(1))
	f.Add("m\"\n", "{,}", "\"} 1\n", "=", "", uint64(1))
	f.Add("m", "instance", "", "a:b", "\x00", uint64(1))
	f.Add("m", "long", string(make([]byte, 1000)), "job", string(make([]byte, 120)), uint64(1))
	f.Fuzz(func(t *testing.T, name, label, value, key, keyValue string, bits uint64) {
		v := math.Float64frombits(bits)
		for _, typ := range []metric.Type{metric.Counter, metric.Gauge, metric.Untyped} {
			family := &metric.Family{Name: name, Type: typ, Series: []metric.Series{
				{Value: v},
				{Labels: []metric.Label{{Name: label, Value: value}}, Value: v + 1},
				{Labels: []metric.Label{{Name: label, Value: value}, {Name: "other", Value: label}}, Value: -v},
				{Labels: []metric.Label{{Name: "other", Value: value}}, Value: v},
			}}
			families := []*metric.Family{family}
			checkProto(t, families, Options{})
			checkProto(t, families, Options{Bare: true})
			checkProto(t, families, Options{Grouping: []metric.Label{{Name: key, Value: keyValue}}})
		}
	})
}

// checkProto compares the protobuf of blocks with that of their families.
func checkProto(t *testing.T, families []*metric.Family, o Options) {
	t.Helper()
	blocks, err := Render(families, o)
	if err != nil {
		return
	}
	for i, b := range blocks {
		want := protoOf(t, families[i], o)
		if got := b.AppendProto(nil); !bytes.Equal(got, want) || len(got) != b.proto {
			t.Fatalf("protobuf of %q, only text %v\n got %q\nwant %q", b.Text(), b.onlyText(), got, want)
		}
		if !b.onlyText() {
			continue
		}
		whole := &Block{Name: b.Name, Type: b.Type, more: &more{proto: want}, proto: len(want), series: b.series}
		if got, want := allSeries(b), allSeries(whole); !sameBits(got, want) {
			t.Fatalf("series of %q\n got %v\nwant %v", b.Text(), got, want)
		}
		if got, want := allLabels(b), allLabels(whole); !reflect.DeepEqual(got, want) {
			t.Fatalf("labels of %q\n got %q\nwant %q", b.Text(), got, want)
		}
	}
}

// protoOf renders the protobuf of a family as if it were not plain.
func protoOf(t *testing.T, f *metric.Family, o Options) []byte {
	t.Helper()
	o.Limits = o.Limits.withDefaults()
	r := &renderer{opts: o}
	for i := range f.Series {
		if err := r.renderLabels(f, f.Series[i].Labels); err != nil {
			t.Fatal(err)
		}
		r.proto = r.appendProto(r.proto, f, &f.Series[i])
	}
	return r.proto
}

func allSeries(b *Block) (all []metric.Series) {
	b.EachSeries(func(s metric.Series) bool {
		all = append(all, s)
		return true
	})
	return all
}

func allLabels(b *Block) (all [][]metric.Label) {
	b.EachLabels(func(labels []metric.Label) bool {
		all = append(all, append([]metric.Label{}, labels...))
		return true
	})
	return all
}

// sameBits is reflect.DeepEqual that takes a NaN for equal to itself.
func sameBits(a, b []metric.Series) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !slices.Equal(takeFloats(&a[i]), takeFloats(&b[i])) {
			return false
		}
		x, y := a[i], b[i]
		if len(x.Labels) == 0 && len(y.Labels) == 0 {
			x.Labels, y.Labels = nil, nil
		}
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

// takeFloats gives the bits of the numbers that can be a NaN, and leaves 0.
func takeFloats(s *metric.Series) (bits []uint64) {
	take := func(v *float64) {
		bits = append(bits, math.Float64bits(*v))
		*v = 0
	}
	take(&s.Value)
	if s.Summary != nil {
		take(&s.Summary.Sum)
		for i := range s.Summary.Quantiles {
			take(&s.Summary.Quantiles[i].Value)
		}
	}
	if s.Histogram != nil {
		take(&s.Histogram.Sum)
	}
	return bits
}

// TestFloats writes whole numbers as strconv does, and reads them.
func TestFloats(t *testing.T) {
	for n := int64(1); n < 1<<53; n = n*3/2 + 1 {
		for _, n := range []int64{n, n / 10 * 10, n / 1e6 * 1e6, 1<<53 - n} {
			if got, err := parseFloat(strconv.FormatInt(n, 10)); got != float64(n) || err != nil {
				t.Errorf("%d is read as %v, %v", n, got, err)
			}
			if got, want := string(appendFloat(nil, float64(n))), strconv.FormatFloat(float64(n), 'g', -1, 64); got != want && n >= 1e6 {
				t.Errorf("%d is written as %s, want %s", n, got, want)
			}
		}
	}
	for e := 1e6; e < 1e22; e *= 10 {
		if got, want := string(appendFloat(nil, e)), strconv.FormatFloat(e, 'g', -1, 64); got != want {
			t.Errorf("%g is written as %s", e, got)
		}
	}
}

// TestRenderGauge makes the same of a gauge of the gateway's own as of one that
// is pushed.
func TestRenderGauge(t *testing.T) {
	for _, grouping := range [][]metric.Label{
		nil,
		{{Name: "job", Value: "a"}},
		{{Name: "instance", Value: "i"}, {Name: "job", Value: "a"}},
		{{Name: "a", Value: "\\ \" \n é"}, {Name: "b.c", Value: strings.Repeat("x", 200)}, {Name: "job", Value: ""}},
	} {
		for _, value := range []float64{0, 1, 1.7957044564466505e+09, -1, 0.5} {
			f := &metric.Family{Name: "m", Help: "Help.", Type: metric.Gauge, Series: []metric.Series{{Value: value}}}
			want, err := Render([]*metric.Family{f}, Options{Grouping: grouping})
			if err != nil {
				t.Fatal(err)
			}
			compareBlocks(t, []*Block{RenderGauge("m", "Help.", grouping, value)}, want)
		}
	}
}
