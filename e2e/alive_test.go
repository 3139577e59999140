package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// accepts are all formats and escapings that a scrape can ask for.
func accepts() (all []string) {
	for _, escaping := range []string{"underscores", "dots", "values", "allow-utf-8"} {
		for _, format := range []string{"text/plain;version=0.0.4", strings.ReplaceAll(protobufDelimited, " ", ""), "application/openmetrics-text;version=1.0.0"} {
			all = append(all, format+";escaping="+escaping)
		}
	}
	return all
}

// checkAlive holds the gateway to its second promise, and looks for a group
// that had nothing to do with the attack.
func (s *server) checkAlive() {
	s.t.Helper()
	for _, accept := range accepts() {
		a := s.scrape("Accept", accept)
		names, err := readExposition(a.header.Get("Content-Type"), []byte(a.body))
		if err != nil {
			s.t.Fatalf("scrape as %s: %v\n%q", accept, err, clip(a.body))
		}
		if !names["good"] {
			s.t.Fatalf("scrape as %s: an innocent group is missing", accept)
		}
	}
	for _, path := range []string{"/api/v1/metrics", "/api/v1/groups", "/api/v1/status"} {
		if a := s.get(path); !json.Valid([]byte(a.body)) {
			s.t.Fatalf("GET %s: this is not JSON: %q", path, clip(a.body))
		}
	}
}

// readers are the ways in which Prometheus can be told to read.
var readers = []textparse.ParserOptions{
	{KeepClassicOnClassicAndNativeHistograms: true},
	{IgnoreNativeHistograms: true},
	{ConvertClassicHistogramsToNHCB: true},
	{ConvertClassicHistogramsToNHCB: true, IgnoreNativeHistograms: true},
	{ConvertClassicHistogramsToNHCB: true, KeepClassicOnClassicAndNativeHistograms: true, EnableTypeAndUnitLabels: true},
}

// readExposition reads to the end with Prometheus' own parser and gives the
// names of the families.
func readExposition(contentType string, b []byte) (families map[string]bool, err error) {
	for _, options := range readers {
		if families, err = readAs(options, contentType, b); err != nil {
			return nil, fmt.Errorf("%w (read with %+v)", err, options)
		}
	}
	return families, nil
}

func readAs(options textparse.ParserOptions, contentType string, b []byte) (families map[string]bool, err error) {
	p, err := textparse.New(b, contentType, labels.NewSymbolTable(), options)
	if err != nil {
		return nil, err
	}
	names := model.LegacyValidation
	if strings.HasSuffix(contentType, "escaping=allow-utf-8") {
		names = model.UTF8Validation
	}
	families = make(map[string]bool)
	for {
		entry, err := p.Next()
		switch {
		case errors.Is(err, io.EOF):
			return families, nil
		case err != nil:
			return nil, err
		case entry == textparse.EntryType:
			name, _ := p.Type()
			if len(name) == 0 {
				return nil, errors.New("a TYPE line without a name")
			}
			if families[string(name)] {
				return nil, fmt.Errorf("two TYPE lines for %q", name)
			}
			families[string(name)] = true
		case entry == textparse.EntrySeries, entry == textparse.EntryHistogram:
			var set labels.Labels
			p.Labels(&set)
			if err := checkSeries(set, names); err != nil {
				return nil, err
			}
		}
	}
}

// checkSeries finds what Prometheus refuses after parsing, which ends the
// scrape all the same.
func checkSeries(set labels.Labels, names model.ValidationScheme) error {
	if name, twice := set.HasDuplicateLabelNames(); twice {
		return fmt.Errorf("the label %q comes twice in %s", name, set)
	}
	if !set.Has(model.MetricNameLabel) || !set.IsValid(names) {
		return fmt.Errorf("not valid: %s", set)
	}
	return nil
}

// pushGood pushes a group that attacks have to leave alone.
func (s *server) pushGood() { s.do(http.MethodPut, "/metrics/job/good", "good 1\n") }
