package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"google.golang.org/protobuf/encoding/prototext"
)

const (
	textType        = "text/plain;version=0.0.4"
	openMetrics1    = "application/openmetrics-text;version=1.0.0"
	openMetrics0    = "application/openmetrics-text;version=0.0.1"
	protobufAsText  = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text"
	protobufCompact = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text"
)

var legacyName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

// unbrokenFormat is what a scrape asks for.
type unbrokenFormat struct {
	scrapeFormat
	coding string
}

var unbrokenFormats = allUnbroken()

func allUnbroken() (all []unbrokenFormat) {
	for _, media := range []string{textType, openMetrics1, openMetrics0, protobufAccept, protobufAsText, protobufCompact} {
		for i, escaping := range []string{"underscores", "dots", "values", noEscaping} {
			all = append(all, unbrokenFormat{scrapeFormat{media, escaping}, []string{"", "gzip", "zstd"}[(i+len(all))%3]})
		}
	}
	return all
}

func (s *unbrokenSystem) get(f unbrokenFormat) *httptest.ResponseRecorder {
	h := http.Header{"Accept": {f.scrapeFormat.String()}}
	if f.coding != "" {
		h.Set("Accept-Encoding", f.coding)
	}
	return serveOne(s.doors[plainDoor], http.MethodGet, "/metrics", "", h)
}

// check reads scrapes in some formats, and what is stored.
func (s *unbrokenSystem) check(formats []unbrokenFormat) error {
	if left := s.server.Gateway.View().LeftOut; left > 0 && !s.unchecked && !s.mixed {
		return fmt.Errorf("%d series are left out", left)
	}
	for _, f := range formats {
		w := s.get(f)
		if w.Code != http.StatusOK {
			return fmt.Errorf("%v: got %d %q", f, w.Code, w.Body)
		}
		body, err := unpacked(w)
		if err != nil {
			return fmt.Errorf("%v: %w", f, err)
		}
		if err := s.read(f, body, w.Header().Get("Content-Type")); err != nil {
			return fmt.Errorf("%v: %w\n%s", f, err, pushedText(body))
		}
		if f.coding == "" {
			continue
		}
		f.coding = ""
		if plain := s.get(f).Body.Bytes(); !bytes.Equal(plain, body) {
			return fmt.Errorf("%v: a compressed scrape differs:\n%s", f, diffLines(strings.Split(string(body), "\n"), strings.Split(string(plain), "\n")))
		}
	}
	if w := serveOne(s.doors[plainDoor], http.MethodGet, "/api/v1/metrics", "", make(http.Header)); w.Code != http.StatusOK {
		return fmt.Errorf("/api/v1/metrics: got %d %q", w.Code, w.Body)
	}
	return nil
}

// pushedText removes the lines of the gateway's own families that nobody pushed to.
func pushedText(b []byte) string {
	var all []string
	for line := range strings.Lines(string(b)) {
		if !ownFamily.MatchString(line) || strings.Contains(line, `job="`) {
			all = append(all, line)
		}
	}
	return strings.Join(all, "")
}

func unpacked(w *httptest.ResponseRecorder) ([]byte, error) {
	switch w.Header().Get("Content-Encoding") {
	case "gzip":
		r, err := gzip.NewReader(w.Body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case "zstd":
		r, err := zstd.NewReader(w.Body)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return w.Body.Bytes(), nil
}

// read reads a scrape as Prometheus does, with each of its settings.
func (s *unbrokenSystem) read(f unbrokenFormat, body []byte, contentType string) error {
	if f.media == protobufAsText || f.media == protobufCompact {
		return nil // which Prometheus does not ask for
	}
	for _, o := range []textparse.ParserOptions{
		{KeepClassicOnClassicAndNativeHistograms: true},
		{EnableTypeAndUnitLabels: true},
		{ConvertClassicHistogramsToNHCB: true, OpenMetricsSkipSTSeries: true},
		{IgnoreNativeHistograms: true},
	} {
		r := &strictReader{format: f, converts: o.ConvertClassicHistogramsToNHCB, seen: make(map[string]bool), owners: make(map[string]string), types: make(map[string]model.MetricType), heads: make(map[string]bool)}
		if err := r.read(body, contentType, o); err != nil {
			return fmt.Errorf("%+v: %w", o, err)
		}
		if err := r.suffixes(); err != nil {
			return err
		}
	}
	if !f.protobuf() {
		return nil
	}
	families, err := readDelimited(body)
	if err != nil {
		return err
	}
	if err := eachOnce(families); err != nil {
		return err
	}
	return s.sameText(f, families)
}

// eachOnce finds families and series that come twice.
func eachOnce(families []*dto.MetricFamily) error {
	seen := make(map[string]bool)
	for _, f := range families {
		for i, m := range f.Metric {
			slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
			id := f.GetName() + " " + seriesID(m)
			if seen[id] || i == 0 && seen[f.GetName()] {
				return fmt.Errorf("%s comes twice", id)
			}
			seen[id], seen[f.GetName()] = true, true
		}
	}
	return nil
}

// sameText holds protobuf to text in the same escaping.
func (s *unbrokenSystem) sameText(f unbrokenFormat, families []*dto.MetricFamily) error {
	has := make(map[string]bool)
	for _, f := range families {
		for _, m := range f.Metric {
			text, err := textOf(&dto.MetricFamily{Name: f.Name, Type: f.Type, Metric: []*dto.Metric{m}})
			if err != nil {
				return err
			}
			for line := range strings.Lines(text) {
				has[sortedLine(bareColon.ReplaceAllString(line, `$1"$2"="`))] = true
			}
		}
	}
	text := s.get(unbrokenFormat{scrapeFormat{textType, f.escaping}, ""}).Body.String()
	lacks, had := "", make(map[string]bool)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# HELP") {
			continue
		}
		line = sortedLine(line)
		if had[line] = true; !has[line] {
			lacks += line
		}
	}
	for line := range has {
		// What protobuf leaves out may make room for a series that is equal once escaped.
		if !had[line] && (f.escaping == noEscaping || !contradictory(line)) {
			return fmt.Errorf("protobuf has a line that text lacks: %s", line)
		}
	}
	if lacks != "" && !contradictory(lacks) {
		return fmt.Errorf("protobuf lacks lines of text:\n%s", lacks)
	}
	return nil
}

// bareColon finds labels that expfmt should write in quotes.
var bareColon = regexp.MustCompile(`([{,])([a-z_]+:[a-z_]*)="`)

var labelOfLine = regexp.MustCompile(`(?:"(?:[^"\\]|\\.)*"|[^",])+`)

// sortedLine returns a line with its labels in order.
func sortedLine(line string) string {
	start, end := strings.IndexByte(line, '{'), strings.LastIndexByte(line, '}')
	if start < 0 || strings.HasPrefix(line, "#") {
		return line
	}
	all := labelOfLine.FindAllString(line[start+1:end], -1)
	slices.Sort(all)
	return line[:start+1] + strings.Join(all, ",") + line[end:]
}

var histogramLine = regexp.MustCompile(`^# TYPE .* histogram\n|_(bucket|sum|count)("?[,}{]| )`)

// contradictory reports whether lines may be those of histograms that contradict
// themselves, which delimited protobuf leaves out.
func contradictory(lines string) bool {
	for line := range strings.Lines(lines) {
		if !histogramLine.MatchString(line) {
			return false
		}
	}
	return true
}

// strictReader looks for what Prometheus would stumble over, or take for something
// else than it is.
type strictReader struct {
	format   unbrokenFormat
	converts bool // classic histograms, whose labels are then seen without le
	family   string
	seen     map[string]bool
	types    map[string]model.MetricType
	heads    map[string]bool
	owners   map[string]string // family by the name in a line of it
}

func (r *strictReader) read(b []byte, contentType string, o textparse.ParserOptions) error {
	p, err := textparse.New(b, contentType, labels.NewSymbolTable(), o)
	if err != nil {
		return err
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch entry {
		case textparse.EntryType:
			name, t := p.Type()
			if _, twice := r.types[string(name)]; twice {
				return fmt.Errorf("the TYPE of %q comes twice", name)
			}
			r.family, r.types[string(name)] = string(name), t
		case textparse.EntryHelp:
			name, _ := p.Help()
			err = r.head("HELP", name)
		case textparse.EntryUnit:
			name, _ := p.Unit()
			err = r.head("UNIT", name)
		case textparse.EntrySeries, textparse.EntryHistogram:
			err = r.series(p, entry)
		}
		if err != nil {
			return err
		}
	}
}

func (r *strictReader) head(kind string, name []byte) error {
	id := kind + " " + string(name)
	if r.heads[id] {
		return fmt.Errorf("%s comes twice", id)
	}
	r.heads[id] = true
	return nil
}

func (r *strictReader) series(p textparse.Parser, entry textparse.Entry) error {
	set, err := labelsOfLine(p, r.format.escaping, r.family, r.owners)
	if err != nil {
		return err
	}
	name := set.Get(model.MetricNameLabel)
	if !slices.ContainsFunc(lineSuffixes, func(suffix string) bool { return name == r.family+suffix }) {
		return fmt.Errorf("%v is among the lines of %q", set, r.family)
	}
	r.owners[name] = r.family
	t := r.types[r.family]
	repeats := t == model.MetricTypeSummary && set.Has(model.QuantileLabel) || strings.HasSuffix(string(t), "histogram") && set.Has(model.BucketLabel)
	if r.converts || r.format.protobuf() || repeats { // a push may have a bucket or quantile twice, as in 1.11
		return nil
	}
	raw, _, _ := p.Series()
	id := string(raw)
	p.StartTimestamp()
	if !strings.Contains(id, `=""`) {
		id = set.String()
	}
	if r.seen[id] {
		return fmt.Errorf("the series %s comes twice", id)
	}
	r.seen[id] = true
	return nil
}

var lineSuffixes = []string{"", "_total", "_bucket", "_sum", "_count", "_created", "_gsum", "_gcount"}

// suffixes finds families whose lines would have the name of another.
func (r *strictReader) suffixes() error {
	s := scrapeReader{types: r.types}
	return s.checkSuffixes()
}

// withoutTimes removes what a refused push may change, and the time of groups that
// never had another.
func withoutTimes(text string) string {
	var all []string
	for _, family := range strings.SplitAfter(text, "\n\n") {
		f := new(dto.MetricFamily)
		if err := prototext.Unmarshal([]byte(family), f); err == nil && strings.HasPrefix(f.GetName(), "push_") && strings.HasSuffix(f.GetName(), "time_seconds") {
			continue
		}
		all = append(all, family)
	}
	return strings.Join(all, "")
}
