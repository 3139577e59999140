package otlp

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
)

var update = flag.Bool("update", false, "write what Prometheus stores anew")

// exports has a directory for each case: bodies, and what Prometheus stores of
// them. A translation strategy follows the dot in its name.
const exports = "../../../testdata/otlp"

// TestStored holds the files against what Prometheus' own endpoint stores.
func TestStored(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(exports, "*", "stored.txt"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	for _, file := range cases {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := stored(t, dir)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("Prometheus stores\n%s\nbut the file has\n%s", got, want)
			}
		})
	}
}

// stored sends the bodies in a directory to Prometheus, and returns a line for each
// series, sorted.
func stored(t *testing.T, dir string) string {
	t.Helper()
	c := config.DefaultConfig
	if strategy := strings.TrimPrefix(filepath.Ext(dir), "."); strategy != "" {
		c.OTLPConfig.TranslationStrategy = otlptranslator.TranslationStrategyOption(strategy)
	}
	db := &series{latest: make(map[string]sample)}
	h := remote.NewOTLPWriteHandler(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), db, func() config.Config { return c }, remote.OTLPOptions{ConvertDelta: true})
	bodies, err := filepath.Glob(filepath.Join(dir, "*.[pj]*"))
	if err != nil || len(bodies) == 0 {
		t.Fatalf("there are no bodies: %v", err)
	}
	for _, file := range bodies {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/api/v1/otlp/v1/metrics", bytes.NewReader(body))
		r.Header.Set("Content-Type", map[string]string{".pb": "application/x-protobuf", ".json": "application/json"}[filepath.Ext(file)])
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("%s: got %d %s", file, w.Code, w.Body)
		}
	}
	return db.lines()
}

// series remembers the latest sample of each series. It is an appender that stores
// at once.
type series struct{ latest map[string]sample }

type sample struct {
	at   int64
	line string
}

func (s *series) AppenderV2(context.Context) storage.AppenderV2 { return s }
func (s *series) Commit() error                                 { return nil }
func (s *series) Rollback() error                               { return nil }

func (s *series) Append(_ storage.SeriesRef, ls labels.Labels, start, at int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if before, known := s.latest[ls.String()]; known && before.at > at {
		return 0, nil
	}
	if h != nil {
		fh, v = h.ToFloat(nil), h.Sum
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if fh != nil {
		text, v = fmt.Sprintf("schema %d %s", fh.Schema, fh.Compact(0)), fh.Sum
	}
	line := fmt.Sprintf("%s %d %s %s\n", o.Metadata.Type, start, ls, text)
	if math.Float64bits(v) == value.StaleNaN {
		line = ""
	}
	s.latest[ls.String()] = sample{at, line}
	return 0, nil
}

func (s *series) lines() string {
	var all []string
	for _, latest := range s.latest {
		all = append(all, latest.line)
	}
	slices.Sort(all)
	return strings.Join(all, "")
}
