package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protodelim"

	"pushgateway/internal/metric"
)

// FuzzText holds the text parser and renderer against expfmt: the same
// verdict, and the same lines.
func FuzzText(f *testing.F) {
	for _, body := range recordedBodies(f, false) {
		f.Add(body)
	}
	f.Add([]byte("# TYPE h gaugehistogram\nh_bucket{le=\"1\"} 0.5\nh_count 1\n# TYPE s summary\ns{quantile=\"0.5\"} 1e3\n"))
	f.Add([]byte("a{x=\"1\"} 1\na{x=\"2\",} 1\nb{x=\"1\"} 2\nb{x=\"2\",y=\"1\"} 1\n# TYPE c histogram\nc{x=\"1\"} 2\n"))
	f.Add([]byte("{\"m\",\"a\"=\"1\"} 1\n# TYPE \"m:n\" gauge\nm{\"a:b\"=\"1\"} 1\n"))
	f.Add([]byte("m\"x y\" 1\n{a=\"1\",m,\"b.c\"=\"2\"} -0\n# HELP \"m.n\" a\\nb\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		checkLegacyNames(t, body)
		p := GetParser()
		defer p.Release()
		ours, err := p.ParseText(body)
		theirs, libErr, ok := expfmtParse(body, model.UTF8Validation)
		if !ok {
			return
		}
		if (err == nil) != (libErr == nil) {
			t.Fatalf("verdict: ours %v, expfmt %v", err, libErr)
		}
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("an error without a line: %v", err)
			}
			if said := err.Error(); len(said) > 1000 || !utf8.ValidString(said) || strings.ContainsFunc(said, unicode.IsControl) {
				t.Fatalf("this is no sentence: %q", said)
			}
			return
		}
		blocks, err := Render(ours, Options{Bare: true, Valid: true})
		if err != nil {
			return // a push that is read well can still be refused
		}
		if !convertsAsWeDo && slices.ContainsFunc(ours, countsOddly) {
			return
		}
		compareText(t, blocks, theirs)
		checkStored(t, blocks)
		checkProto(t, ours, Options{Bare: true, Valid: true})
	})
}

// checkLegacyNames holds the verdict on a body against the library's where names
// that need quotes are refused.
func checkLegacyNames(t *testing.T, body []byte) {
	t.Helper()
	p := GetParser()
	defer p.Release()
	p.LegacyNames = true
	_, err := p.ParseText(body)
	if _, libErr, ok := expfmtParse(body, model.LegacyValidation); ok && (err == nil) != (libErr == nil) {
		t.Fatalf("verdict on legacy names: ours %v, expfmt %v", err, libErr)
	}
}

// convertsAsWeDo tells whether the machine makes an integer of a float below zero
// as amd64 does. Expfmt gets counts as the machine makes them, we get the same
// everywhere.
var convertsAsWeDo = func(v float64) bool { return uint64(v) == math.MaxUint64 }(-1)

// countsOddly tells whether a family has a count that other machines make
// something else of.
func countsOddly(f *metric.Family) bool {
	odd := func(c metric.Count) bool { return c.Int >= 1<<63 }
	return slices.ContainsFunc(f.Series, func(s metric.Series) bool {
		return s.Summary != nil && s.Summary.Count >= 1<<63 ||
			s.Histogram != nil && (odd(s.Histogram.Count) ||
				slices.ContainsFunc(s.Histogram.Classic, func(b metric.Bucket) bool { return odd(b.Count) }))
	})
}

// expfmtParse gives the library's verdict. It is not ok where the library is
// no oracle: a name within braces comes too late for its treatment of
// summaries and histograms, up to a panic.
func expfmtParse(body []byte, names model.ValidationScheme) (families map[string]*dto.MetricFamily, err error, ok bool) {
	upper := strings.ToUpper(string(body))
	if strings.Contains(upper, "{") && (strings.Contains(upper, "SUMMARY") || strings.Contains(upper, "HISTOGRAM")) && hasNameInBraces(body) {
		return nil, nil, false
	}
	parser := expfmt.NewTextParser(names)
	families, err = parser.TextToMetricFamilies(bytes.NewReader(body))
	return families, err, true
}

func hasNameInBraces(body []byte) bool {
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("{")) {
			return true
		}
	}
	return false
}

// compareText holds finished blocks against the library's families.
func compareText(t *testing.T, blocks []*Block, theirs map[string]*dto.MetricFamily) {
	t.Helper()
	format := Format{Text, metric.UTF8}
	names := make(map[string]bool)
	for _, b := range blocks {
		names[b.Name] = true
	}
	for name, mf := range theirs {
		if !names[name] && len(mf.GetMetric()) > 0 {
			t.Fatalf("family %q is missing", name)
		}
	}
	for _, b := range blocks {
		if b.Series() > 0 && theirs[b.Name] == nil {
			t.Fatalf("family %q is nowhere in the body", b.Name)
		}
		got := sortedLines(string(encode(t, format, []*Block{b})))
		if len(theirs[b.Name].GetMetric()) == 0 {
			continue
		}
		want, comparable := libraryLines(t, theirs[b.Name])
		if comparable && !slices.Equal(got, want) {
			t.Fatalf("family %q\n got %q\nwant %q", b.Name, got, want)
		}
	}
}

// checkStored stores blocks and reads them back.
func checkStored(t *testing.T, blocks []*Block) {
	t.Helper()
	for _, b := range blocks {
		back, err := readStored(b.AppendStored(nil), b.StoredText())
		if err != nil {
			t.Fatalf("family %q: %v", b.Name, err)
		}
		compareBlocks(t, []*Block{back}, []*Block{b})
		if back, _, err = renderStored(b.AppendStored(nil), b.StoredText()); err != nil {
			t.Fatalf("family %q, rendered anew: %v", b.Name, err)
		}
		compareBlocks(t, []*Block{back}, []*Block{b})
		if b.StoredText() != nil && adopted(b.AppendStored(nil), b.StoredText()) == nil {
			t.Fatalf("the lines of family %q are not adopted:\n%s", b.Name, b.Text())
		}
	}
}

// libraryLines is the library's text of a family, with labels sorted as the
// gateway sorts them. Names with a colon it writes without the quotes that
// Prometheus needs.
func libraryLines(t *testing.T, mf *dto.MetricFamily) (lines []string, comparable bool) {
	t.Helper()
	for _, m := range mf.Metric {
		slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
		for _, l := range m.Label {
			if strings.Contains(l.GetName(), ":") {
				return nil, false
			}
		}
	}
	if mf.Help != nil {
		help := strings.ToValidUTF8(mf.GetHelp(), "\uFFFD")
		mf.Help = &help
	}
	var text strings.Builder
	if _, err := expfmt.MetricFamilyToText(&text, mf); err != nil {
		t.Fatalf("expfmt does not write family %q, which was taken: %v", mf.GetName(), err)
	}
	return sortedLines(text.String()), true
}

// FuzzReadable holds every push that is taken to being readable in every
// format and escaping.
func FuzzReadable(f *testing.F) {
	for _, body := range recordedBodies(f, false) {
		f.Add(body, "x.y", "1")
	}
	f.Add([]byte("{\"m.x\",\"a.b\"=\"1\",a_b=\"2\"} 1\n{\"m.x\",\"a b\"=\"1\"} 1\n"), "a:b", "\x00")
	f.Fuzz(func(t *testing.T, body []byte, label, value string) {
		p := GetParser()
		defer p.Release()
		families, err := p.ParseText(body)
		if err != nil || !metric.IsName(label) || strings.ToValidUTF8(value, "") != value || strings.HasPrefix(label, "__") {
			return
		}
		grouping := []metric.Label{{Name: label, Value: value}}
		blocks, err := Render(families, Options{Grouping: grouping, Valid: true})
		if err == nil {
			checkReadable(t, blocks)
			checkStored(t, blocks)
			checkMeanings(t, blocks)
		}
	})
}

// FuzzProto holds the protobuf reader against the library: the same verdict,
// and of what is taken the same lines; and everything is readable.
func FuzzProto(f *testing.F) {
	for _, body := range recordedBodies(f, true) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p := GetParser()
		defer p.Release()
		ours, err := p.ParseProto(body)
		theirs, libErr := libraryProto(body)
		if (err == nil) != (libErr == nil) {
			t.Fatalf("verdict: ours %v, library %v", err, libErr)
		}
		if err != nil {
			return
		}
		blocks, err := Render(ours, Options{Bare: true})
		if err != nil {
			return
		}
		compareText(t, blocks, theirs)
		checkProto(t, ours, Options{Bare: true})
		checkReadable(t, blocks)
		checkStored(t, blocks)
		checkMeanings(t, blocks)
	})
}

func checkMeanings(t *testing.T, blocks []*Block) {
	t.Helper()
	for _, b := range blocks {
		checkMeaning(t, b)
	}
}

func libraryProto(body []byte) (map[string]*dto.MetricFamily, error) {
	families := make(map[string]*dto.MetricFamily)
	in := bytes.NewReader(body)
	for {
		mf := new(dto.MetricFamily)
		err := protodelim.UnmarshalOptions{MaxSize: int64(len(body)) + 1}.UnmarshalFrom(in, mf)
		if errors.Is(err, io.EOF) {
			return families, nil
		}
		if err != nil {
			return nil, fmt.Errorf("unmarshalling: %w", err)
		}
		families[mf.GetName()] = mf
	}
}
