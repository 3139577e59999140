package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

var recordExports = flag.Bool("otlp.record", false, "record anew what SDKs export; write what Prometheus stores of it with: go -C tools/prometheus test ./otlp -update")

// exportCases has a directory for each case: bodies, and what Prometheus stores of
// them. tools/prometheus/otlp says how that was found.
const exportCases = "../testdata/otlp"

// gaugeStart is what scrapes cannot tell: the start time of a gauge.
var gaugeStart = regexp.MustCompile(`(?m)^gauge \d+ `)

// TestOTLPAsPrometheus exports what SDKs have exported, and wants a scrape to have
// what Prometheus stores when the same is sent to itself: names, labels, types,
// start times and values.
func TestOTLPAsPrometheus(t *testing.T) {
	cases := must(filepath.Glob(filepath.Join(exportCases, "*", "stored.txt")))
	if len(cases) < 8 {
		t.Fatalf("there are %d cases", len(cases))
	}
	for _, file := range cases {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			args := []string{"--push.enable-utf8-names"}
			if strategy := strings.TrimPrefix(filepath.Ext(dir), "."); strategy != "" {
				args = append(args, "--otlp.translation-strategy="+strategy)
			}
			s := start(t, args...)
			for _, body := range must(filepath.Glob(filepath.Join(dir, "*.[pj]*"))) {
				contentType := map[string]string{".pb": otlpProto, ".json": otlpJSON}[filepath.Ext(body)]
				if a := s.want(http.StatusOK, http.MethodPost, "/v1/metrics", string(must(os.ReadFile(body))), "Content-Type", contentType); len(a.body) > len("{}") {
					t.Errorf("%s: got %q", body, a.body)
				}
			}
			lines := strings.SplitAfter(gaugeStart.ReplaceAllString(string(must(os.ReadFile(file))), "gauge 0 "), "\n")
			slices.Sort(lines)
			want := strings.Join(lines, "")
			if got := s.stored(); got != want {
				t.Errorf("scraping gives\n%s\nand Prometheus stores\n%s", got, want)
			}
		})
	}
}

// stored returns a line for each series that Prometheus would store after a scrape,
// sorted, without those of the gateway. An instance that is empty is no label.
func (s *server) stored() string {
	s.t.Helper()
	a := s.get("/metrics", "Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8")
	p, err := textparse.New([]byte(a.body), a.header.Get("Content-Type"), labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	typ := model.MetricTypeUnknown
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.t.Fatal(err)
		}
		value := ""
		switch entry {
		case textparse.EntryType:
			_, typ = p.Type()
			continue
		case textparse.EntrySeries:
			_, _, v := p.Series()
			value = strconv.FormatFloat(v, 'g', -1, 64)
		case textparse.EntryHistogram:
			_, _, h, fh := p.Histogram()
			if h != nil {
				fh = h.ToFloat(nil)
			}
			value = fmt.Sprintf("schema %d %s", fh.Schema, fh.Compact(0))
		default:
			continue
		}
		var ls labels.Labels
		p.Labels(&ls)
		if name := ls.Get(model.MetricNameLabel); ls.Get("job") == "" || strings.HasPrefix(name, "push_") {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %d %s %s\n", typ, p.StartTimestamp(), plainNumbers(ls), value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// plainNumbers writes bounds as Prometheus does for OTLP, and drops empty labels.
func plainNumbers(ls labels.Labels) labels.Labels {
	b := labels.NewBuilder(ls)
	ls.Range(func(l labels.Label) {
		if l.Name == "le" || l.Name == "quantile" {
			b.Set(l.Name, strings.TrimSuffix(l.Value, ".0"))
		}
	})
	return b.Labels()
}

// TestRecordExports records what SDKs export.
func TestRecordExports(t *testing.T) {
	if !*recordExports {
		t.Skip("no directory given: -otlp.record writes into testdata")
	}
	for name, run := range map[string]func(s *server){
		"go-cumulative": func(s *server) { must(0, s.export(otlpmetrichttp.WithURLPath("/v1/metrics"))) },
		"go-delta": func(s *server) {
			for range 2 {
				must(0, s.export(otlpmetrichttp.WithURLPath("/v1/metrics"), otlpmetrichttp.WithTemporalitySelector(sdk.DeltaTemporalitySelector)))
			}
		},
		"js-proto-cumulative": func(s *server) { runNode(t, "npm/otlp.js", nil, s.base+"/v1/metrics", "proto", "cumulative") },
		"js-json-cumulative":  func(s *server) { runNode(t, "npm/otlp.js", nil, s.base+"/v1/metrics", "json", "cumulative") },
		"js-proto-delta":      func(s *server) { runNode(t, "npm/otlp.js", nil, s.base+"/v1/metrics", "proto", "delta") },
		"js-json-delta":       func(s *server) { runNode(t, "npm/otlp.js", nil, s.base+"/v1/metrics", "json", "delta") },
	} {
		run(recorder(t, filepath.Join(exportCases, name)))
	}
}

// recorder is a server that takes exports, and writes their bodies into a directory.
func recorder(t *testing.T, dir string) *server {
	t.Helper()
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o750)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "stored.txt"), "")
	var n atomic.Int64
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		extension := ".pb"
		if r.Header.Get("Content-Type") == otlpJSON {
			extension = ".json"
		}
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		if body, err := io.ReadAll(r.Body); err == nil {
			writeFile(t, filepath.Join(dir, fmt.Sprint(n.Add(1), extension)), string(body))
		}
	}))
	t.Cleanup(h.Close)
	return &server{t: t, addr: h.Listener.Addr().String(), base: h.URL}
}
