package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

const (
	protobufAccept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	noEscaping     = "allow-utf-8"
)

// scrapeFormat is something that a scrape can ask for.
type scrapeFormat struct{ media, escaping string }

func (f scrapeFormat) String() string { return f.media + ";escaping=" + f.escaping }

func (f scrapeFormat) openMetrics() bool { return strings.Contains(f.media, "openmetrics") }

func (f scrapeFormat) protobuf() bool { return f.media == protobufAccept }

var scrapeFormats = allFormats()

func allFormats() (all []scrapeFormat) {
	for _, media := range []string{"text/plain;version=0.0.4", protobufAccept, "application/openmetrics-text;version=1.0.0"} {
		for _, escaping := range []string{"underscores", "dots", "values", noEscaping} {
			all = append(all, scrapeFormat{media, escaping})
		}
	}
	return all
}

// read scrapes in a format and reads it to its end as Prometheus would.
func (s *system) read(f scrapeFormat) error {
	h := s.handler
	if f.openMetrics() {
		h = s.open
	}
	w := serveOne(h, http.MethodGet, "/metrics", "", http.Header{"Accept": {f.String()}})
	if w.Code != http.StatusOK {
		return fmt.Errorf("got %d %q", w.Code, w.Body)
	}
	got := strings.ReplaceAll(w.Header().Get("Content-Type"), " ", "")
	if !strings.HasPrefix(got, f.media) || !strings.HasSuffix(got, ";escaping="+f.escaping) {
		return fmt.Errorf("got content type %q", got)
	}
	r := &scrapeReader{format: f, types: make(map[string]model.MetricType), owners: make(map[string]string), seen: make(map[string]bool)}
	if err := r.read(w.Body.Bytes(), w.Header().Get("Content-Type")); err != nil {
		return err
	}
	if err := r.checkSuffixes(); err != nil {
		return err
	}
	if f.protobuf() {
		if err := s.checkProtobuf(f, w.Body.Bytes()); err != nil {
			return err
		}
	}
	return s.checkPresent(r)
}

// scrapeReader looks for what Prometheus would stumble over, or take for
// something else than it is.
type scrapeReader struct {
	format scrapeFormat
	family string                      // whose lines are being read
	types  map[string]model.MetricType // by the name in the TYPE line
	owners map[string]string           // family by the name in a line of it
	seen   map[string]bool             // series
}

func (r *scrapeReader) read(b []byte, contentType string) error {
	p, err := textparse.New(b, contentType, labels.NewSymbolTable(), textparse.ParserOptions{KeepClassicOnClassicAndNativeHistograms: true})
	if err != nil {
		return err
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, b)
		}
		if err := r.entry(p, entry); err != nil {
			return err
		}
	}
}

func (r *scrapeReader) entry(p textparse.Parser, entry textparse.Entry) error {
	switch entry {
	case textparse.EntryType:
		name, t := p.Type()
		r.family = string(name)
		if _, twice := r.types[r.family]; twice {
			return fmt.Errorf("the TYPE of %q comes twice", name)
		}
		r.types[r.family] = t
	case textparse.EntrySeries, textparse.EntryHistogram:
		return r.series(p, entry)
	}
	return nil
}

// labelsOfLine returns the labels of a line of a family, which no other family may have
// lines like. owners are the families of the names of lines so far.
func labelsOfLine(p textparse.Parser, escaping, family string, owners map[string]string) (set labels.Labels, err error) {
	p.Labels(&set)
	if name, twice := set.HasDuplicateLabelNames(); twice {
		return set, fmt.Errorf("the label %q comes twice in %v", name, set)
	}
	if escaping != noEscaping {
		if err := checkLegacy(set); err != nil {
			return set, err
		}
	}
	if owner, ok := owners[set.Get(model.MetricNameLabel)]; ok && owner != family {
		return set, fmt.Errorf("%v is of %q, but %q has such lines too", set, family, owner)
	}
	return set, nil
}

func (r *scrapeReader) series(p textparse.Parser, entry textparse.Entry) error {
	set, err := labelsOfLine(p, r.format.escaping, r.family, r.owners)
	if err != nil {
		return err
	}
	name := set.Get(model.MetricNameLabel)
	r.owners[name] = r.family
	// The text of the line, since labels with an empty value make a difference
	// to the gateway but not in a label set. It has no equivalent in protobuf.
	if !r.format.protobuf() {
		id := fmt.Sprint(entry)
		switch entry {
		case textparse.EntryHistogram:
			b, _, _, _ := p.Histogram()
			id += string(b)
		default:
			b, _, _ := p.Series()
			id += string(b)
		}
		if r.seen[id] {
			return fmt.Errorf("the series %s comes twice", id)
		}
		r.seen[id] = true
	}
	return nil
}

func checkLegacy(set labels.Labels) error {
	return set.Validate(func(l labels.Label) error {
		if l.Name == model.MetricNameLabel {
			if !model.LegacyValidation.IsValidMetricName(l.Value) {
				return fmt.Errorf("the name of %v is not escaped", set)
			}
			return nil
		}
		if !model.LegacyValidation.IsValidLabelName(l.Name) {
			return fmt.Errorf("the label %q of %v is not escaped", l.Name, set)
		}
		return nil
	})
}

// checkSuffixes finds families whose lines would have the name of another.
func (r *scrapeReader) checkSuffixes() error {
	for name, t := range r.types {
		var suffixes []string
		switch t {
		case model.MetricTypeSummary:
			suffixes = []string{"_count", "_sum"}
		case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram:
			suffixes = []string{"_count", "_sum", "_bucket"}
		}
		for _, suffix := range suffixes {
			if _, ok := r.types[name+suffix]; ok {
				return fmt.Errorf("both %s %q and %q are exposed", t, name, name+suffix)
			}
		}
	}
	return nil
}

// checkProtobuf looks for equal series, and where names are not escaped
// compares the content with the model: as text, which is what it has.
func (s *system) checkProtobuf(f scrapeFormat, b []byte) error {
	families, err := readDelimited(b)
	if err != nil {
		return err
	}
	for _, f := range families {
		seen := make(map[string]bool)
		for _, m := range f.Metric {
			id := seriesID(m)
			if seen[id] {
				return fmt.Errorf("the series %s %s comes twice", f.GetName(), id)
			}
			seen[id] = true
		}
	}
	if f.escaping != noEscaping {
		return nil
	}
	text, err := textOf(families...)
	if err != nil {
		return err
	}
	return s.state.withoutOdd().compare(text)
}

// checkPresent finds families that are missing, though their names are not
// changed.
func (s *system) checkPresent(r *scrapeReader) error {
	if s.state.mode.unchecked || r.format.escaping != noEscaping || r.format.openMetrics() {
		return nil
	}
	for _, g := range s.state.sorted() {
		for _, f := range g.all() {
			if _, ok := r.types[f.GetName()]; !ok && len(f.Metric) > 0 {
				return fmt.Errorf("the family %q is missing", f.GetName())
			}
		}
	}
	return nil
}
