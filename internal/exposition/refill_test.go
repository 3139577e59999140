package exposition

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// again are bodies that come one after the other, and whether the next is
// expected to be filled in.
var again = []struct {
	name, first, next string
	filled            bool
}{
	{"other values", "# HELP a Of it.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 3\n", "# HELP a Of it.\n# TYPE a counter\na{x=\"1\"} 12345\na{x=\"2\"} 1e3\nb 3.25\n", true},
	{"a histogram", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\nb 1\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 5\nh_sum 1e300\nh_count 5\nb 2\n", true},
	{"count before sum", "# TYPE h histogram\nh_bucket{le=\"1\"} 1.0\nh_bucket{le=\"+Inf\"} 2.0\nh_count 2.0\nh_sum 1.0\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 3.0\nh_bucket{le=\"+Inf\"} 5.0\nh_count 5.0\nh_sum 0.5\n", true},
	{"several histograms", hists(1, 2, 2), hists(3, 4, 4), true},
	{"several that cross", crossing(1), crossing(2), true},
	{"a histogram that contradicts itself", hists(1, 2, 2), hists(3, 2, 2), false},
	{"a histogram with another count", hists(1, 2, 2), hists(3, 4, 5), false},
	{"a histogram of fractions", hists(1, 2, 2), hists(1.5, 2, 2), false},
	{"histograms of fractions", hists(0.5, 2, 2), hists(1.5, 2, 2), true},
	{"histograms without their last bucket", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 2\nh_bucket{a=\"b\",le=\"1\"} 1\nh_sum{a=\"b\"} 1\nh_count{a=\"b\"} 2\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_sum 1\nh_count 5\nh_bucket{a=\"b\",le=\"1\"} 4\nh_sum{a=\"b\"} 1\nh_count{a=\"b\"} 6\n", true},
	{"a bucket without a bound", "# TYPE h histogram\nh_bucket 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n", "# TYPE h histogram\nh_bucket 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n", true},
	{"a summary, sum alone", "# TYPE s summary\ns_sum 1\n", "# TYPE s summary\ns_sum 2\n", true},
	{"a large count", "# TYPE s summary\ns_sum 1\ns_count 1\n", "# TYPE s summary\ns_sum 1\ns_count 9007199254740993\n", false},
	{"a count that is cut", "# TYPE s summary\ns_sum 1\ns_count 1\n", "# TYPE s summary\ns_sum 1\ns_count 1.5\n", false},
	{"a quoted histogram", "# TYPE \"h.h\" histogram\n{\"h.h_bucket\",le=\"+Inf\"} 1\n{\"h.h_sum\"} 1\n{\"h.h_count\"} 1\n", "# TYPE \"h.h\" histogram\n{\"h.h_bucket\",le=\"+Inf\"} 2\n{\"h.h_sum\"} 1\n{\"h.h_count\"} 2\n", true},
	{"a summary, not sorted", "b 1\n# TYPE a summary\na{quantile=\"0.5\"} 1\na_sum 2\na_count 3\n", "b 2\n# TYPE a summary\na{quantile=\"0.5\"} NaN\na_sum -2\na_count 4\n", true},
	{"types first", "# TYPE b counter\n# TYPE a gauge\na 1\nb 2\n", "# TYPE b counter\n# TYPE a gauge\na 3\nb 4\n", true},
	{"quoted names", "{\"a b\",\"x y\"=\"1 2\"} 1\n", "{\"a b\",\"x y\"=\"1 2\"} 2\n", true},
	{"a line more", "a{x=\"1\"} 1\n", "a{x=\"1\"} 1\na{x=\"2\"} 1\n", false},
	{"a line less", "a{x=\"1\"} 1\na{x=\"2\"} 1\n", "a{x=\"1\"} 1\n", false},
	{"another label", "a{x=\"1\"} 1\nb 1\n", "a{x=\"2\"} 1\nb 1\n", false},
	{"another type", "# TYPE a gauge\na 1\n", "# TYPE a untyped\na 1\n", false},
	{"another help at the end", "a 1\n# HELP a b\n", "a 1\n# HELP a c\n", false},
	{"a negative zero", "a 1\nb 1\n", "a 2\nb -0\n", false},
	{"a negative zero again", "# TYPE a gauge\na -0\nb 1\n", "# TYPE a gauge\na -0\nb 2\n", true},
	{"no number", "a 1\n", "a one\n", false},
	{"a timestamp", "a 1\n", "a 1 1\n", false},
	{"a timestamp first", "a 1 1\n", "a 1 1\n", false},
	{"no newline", "a 1\nb 1\n", "a 1\nb 1", false},
	{"blanks", "a 1\n", "a  1\n", false},
	{"a value right behind the name", "a+Inf\n", "a0\n", false},
	{"a value right behind the labels", "a{}+Inf\n", "a{}0\n", true},
	{"lines apart", "a{x=\"1\"} 1\nb 1\na{x=\"2\"} 1\n", "a{x=\"1\"} 1\nb 1\na{x=\"2\"} 1\n", false},
	{"a negative bucket", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n", "# TYPE h histogram\nh_bucket{le=\"1\"} -1\n", false},
	{"the type of a histogram far away", "# TYPE h histogram\na 1\nh_count 2\n", "# TYPE h histogram\na 1\nh_count 3\n", false},
	{"marks", "a 1\n# \x00\x01\n", "a 1\n# \x00\x01\n", false},
	{"marks for values", "a 1\nb 1\n", "a 1\nb \x00\x01\n", false},
	{"nothing", "", "", false},
}

// hists is a family with two histograms, both with these counts.
func hists(bucket, last, count float64) string {
	body := "# TYPE h histogram\n"
	for _, x := range []string{"1", "2"} {
		body += fmt.Sprintf("h_bucket{x=%q,le=\"1\"} %v\nh_bucket{x=%q,le=\"+Inf\"} %v\nh_sum{x=%q} 1\nh_count{x=%q} %v\n", x, bucket, x, last, x, x, count)
	}
	return body
}

// crossing has lines of two summaries in an order that looks like theirs.
func crossing(v int) string {
	return fmt.Sprintf("# TYPE s summary\ns{x=\"1\",quantile=\"0.5\"} %[1]d\ns_sum{x=\"2\"} 3%[1]d\ns_count{x=\"2\"} %[1]d\n"+
		"s{x=\"2\",quantile=\"0.5\"} 1%[1]d\ns_sum{x=\"1\"} 4%[1]d\ns_count{x=\"1\"} %[1]d\n", v)
}

func TestRefill(t *testing.T) {
	for _, test := range again {
		t.Run(test.name, func(t *testing.T) {
			if filled := checkRefill(t, test.first, test.next); filled != test.filled {
				t.Errorf("filled in: %v, want %v", filled, test.filled)
			}
			checkRefill(t, test.next, test.first)
		})
	}
}

// TestRefillAfterOthers pushes families with POST: some of those that came
// with a pattern have been replaced since.
func TestRefillAfterOthers(t *testing.T) {
	ab := imprinted(t, "a 1\nb 1\n")
	cd := imprinted(t, "c 1\nd{x=\"1\"} 1\n")
	b2 := imprinted(t, "b 2\n")
	for _, test := range []struct {
		name, body string
		has        []*Block
		filled     bool
	}{
		{"all are there", "c 2\nd{x=\"1\"} 2\n", slices.Concat(ab, cd), true},
		{"one is another's", "a 2\nb 2\n", []*Block{ab[0], b2[0], cd[0], cd[1]}, false},
		{"the first is another's", "a 2\nb 2\n", []*Block{ab[1], cd[0]}, false},
		{"the first alone", "a 2\nb \x00\x01\n", ab[:1], false},
		{"the second for the first", "b 5\n", []*Block{ab[0], b2[0]}, true},
		{"nothing", "a 2\nb 2\n", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, filled := Refill([]byte(test.body), slices.Values(test.has), testOptions); filled != test.filled {
				t.Errorf("filled in: %v, want %v", filled, test.filled)
			}
		})
	}
}

// TestRefillBounds pushes the same with longer values.
func TestRefillBounds(t *testing.T) {
	o := testOptions
	o.MaxBytes = 150
	has := imprinted(t, "a 1\nb 1\n")
	if _, ok := Refill([]byte("a 2\nb 2\n"), slices.Values(has), o); !ok {
		t.Error("a push within the bound was not filled in")
	}
	if _, ok := Refill([]byte("a 2.000000000001\nb 2.000000000001\n"), slices.Values(has), o); ok {
		t.Error("a push beyond the bound was filled in")
	}
}

// TestRefillWithTwins leaves series out that come twice, as the gateway does
// where the check is off.
func TestRefillWithTwins(t *testing.T) {
	o := testOptions
	o.Duplicate = func() {}
	has := imprintedWith(t, "a{x=\"1\"} 1\na{x=\"1\"} 2\na{x=\"2\"} 3\n", o)
	if _, ok := Refill([]byte("a{x=\"1\"} 4\na{x=\"1\"} 5\na{x=\"2\"} 6\n"), slices.Values(has), o); ok {
		t.Error("values were put in lines that are not theirs")
	}
}

// TestRefillCountsNoTwins leaves it to the rendering that follows to count the
// series that come twice.
func TestRefillCountsNoTwins(t *testing.T) {
	twins, o := 0, testOptions
	o.Duplicate = func() { twins++ }
	const summary = "# TYPE s summary\ns_sum{job=\"a\"} 1\ns_sum{job=\"b\"} 2\n"
	has := imprintedWith(t, summary+"b 1\n", o)
	twins = 0
	if _, ok := Refill([]byte(summary+"b -0\n"), slices.Values(has), o); ok || twins != 0 {
		t.Errorf("filled in: %v, %d series counted", ok, twins)
	}
}

// FuzzRefill holds filling in against reading and rendering: what is filled in
// comes out just so.
func FuzzRefill(f *testing.F) {
	for _, body := range recordedBodies(f, false) {
		f.Add(string(body), "1 1e6 0.0001 0.00001 -0 NaN 123456 1234567 00 1. .5 100.10")
	}
	for _, test := range again {
		f.Add(test.first, "7")
	}
	f.Fuzz(func(t *testing.T, body, values string) {
		checkRefill(t, body, body)
		checkRefill(t, body, values)
		checkRefill(t, body, withValues(body, strings.Fields(values)))
	})
}

// withValues puts other values into a body that was read.
func withValues(body string, values []string) string {
	p := GetParser()
	defer p.Release()
	if _, err := p.ParseText([]byte(body)); err != nil || len(values) == 0 {
		return body
	}
	b, done := "", 0
	for i, s := range p.samples {
		b += body[done:s.from] + values[i%len(values)]
		done = int(s.to)
	}
	return b + body[done:]
}

var testOptions = Options{Grouping: []metric.Label{{Name: "job", Value: "j k"}}, Valid: true}

func imprinted(t testing.TB, body string) []*Block { return imprintedWith(t, body, testOptions) }

// imprintedWith gives the blocks of a body, none if it is refused.
func imprintedWith(t testing.TB, body string, o Options) []*Block {
	t.Helper()
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(body))
	if err != nil {
		return nil
	}
	blocks, err := Render(families, o)
	if err != nil {
		return nil
	}
	p.Imprint([]byte(body), blocks)
	return blocks
}

// checkRefill pushes two bodies one after the other, and the second once more.
func checkRefill(t *testing.T, first, next string) (filled bool) {
	t.Helper()
	blocks, filled := Refill([]byte(next), slices.Values(imprinted(t, first)), testOptions)
	if !filled {
		return false
	}
	want := imprinted(t, next)
	compareBlocks(t, blocks, want)
	twice, ok := Refill([]byte(next), slices.Values(blocks), testOptions)
	if !ok {
		t.Fatalf("%q after %q is filled in once, but not twice", next, first)
	}
	compareBlocks(t, twice, want)
	return true
}

func compareBlocks(t *testing.T, got, want []*Block) {
	t.Helper()
	byName := func(a, b *Block) int { return strings.Compare(a.Name, b.Name) }
	got, want = slices.SortedFunc(slices.Values(got), byName), slices.SortedFunc(slices.Values(want), byName)
	if len(got) != len(want) {
		t.Fatalf("%d families, want %d", len(got), len(want))
	}
	for i, b := range got {
		w := want[i]
		if b.Name != w.Name || b.Help != w.Help || b.HasHelp() != w.HasHelp() || b.Type != w.Type || b.Legacy != w.Legacy || b.Series() != w.Series() ||
			!bytes.Equal(b.Text(), w.Text()) || !bytes.Equal(b.Proto(), w.Proto()) || b.DelimitedSize() != w.DelimitedSize() || b.Size() != w.Size() ||
			!slices.Equal(b.Hashes(), w.Hashes()) || !samePattern(b.pattern, w.pattern) || b.part != w.part || b.order != w.order {
			t.Fatalf("family %q\n got %+v %q\nwant %+v %q", b.Name, b, b.Text(), w, w.Text())
		}
	}
}

func samePattern(a, b *pattern) bool {
	return a == b || a != nil && b != nil && a.sum == b.sum && slices.Equal(a.values, b.values)
}
