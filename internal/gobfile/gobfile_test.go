package gobfile_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
	"pushgateway/internal/grouping"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
)

// recorded are the files that 1.11.3 wrote; see testdata/compat/README.md.
var recorded = []string{"1.11.3-legacy", "1.11.3-utf8"}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../testdata/compat/persistence/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read reads a file that has to be readable.
func read(t testing.TB, b []byte) *gobfile.File {
	t.Helper()
	f, err := gobfile.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t testing.TB, groups []*gateway.Group) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gobfile.Write(&b, slices.Values(groups)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mirror is the value of a file as the package gob sees it.
type mirror map[string]mirrorGroup

type mirrorGroup struct {
	Labels  map[string]string
	Metrics map[string]mirrorEntry
}

type mirrorEntry struct {
	Timestamp            time.Time
	GobbableMetricFamily *mirrorFamily
}

type mirrorFamily dto.MetricFamily

func (f *mirrorFamily) GobEncode() ([]byte, error) { return proto.Marshal((*dto.MetricFamily)(f)) }

func (f *mirrorFamily) GobDecode(b []byte) error {
	return proto.Unmarshal(b, (*dto.MetricFamily)(f))
}

func (m mirror) encode(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decodeMirror(t testing.TB, b []byte) (m mirror) {
	t.Helper()
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// replay is a journal that has groups from before.
type replay struct {
	gateway.Memory
	groups []*gateway.Group
}

func (r *replay) Open(ctx context.Context, apply func([]gateway.Applied), stored func(grouping.Key) *gateway.Group) error {
	if err := r.Memory.Open(ctx, apply, stored); err != nil {
		return err
	}
	changes := make([]gateway.Change, len(r.groups))
	for i, g := range r.groups {
		changes[i] = gateway.Change{Key: g.Key, Group: g}
	}
	if len(changes) > 0 {
		r.Commit(ctx, changes)
	}
	return nil
}

// serve gives the HTTP surface of a gateway that has groups, without families
// of its own.
func serve(t testing.TB, groups []*gateway.Group) http.Handler {
	t.Helper()
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: &replay{groups: groups}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return httpapi.New(httpapi.Config{
		Gateway: g, Intake: intake.New(g, intake.Config{}), Logger: slog.New(slog.DiscardHandler), TelemetryPath: "/metrics",
		Own:        func(*gateway.View) ([]exposition.Exposed, error) { return nil, nil },
		UI:         http.NotFoundHandler(),
		Instrument: func(_ string, h http.HandlerFunc) http.HandlerFunc { return h },
		Scraped:    func(httpapi.Scrape) {},
	})
}

func get(t testing.TB, h http.Handler, path, accept string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func TestReadRecorded(t *testing.T) {
	for _, name := range recorded {
		t.Run(name, func(t *testing.T) {
			f := read(t, testdata(t, name+".gob"))
			for _, p := range f.Problems {
				t.Error(p)
			}
			h := serve(t, f.Groups)
			scrape := get(t, h, "/metrics", "text/plain; version=1.0.0; escaping=allow-utf-8")
			if got, want := sortedLines(scrape), sortedLines(string(testdata(t, name+".scrape.txt"))); got != want {
				t.Errorf("scrape: got\n%s\nwant\n%s", got, want)
			}
			got, want := normalAPI(t, get(t, h, "/api/v1/metrics", "")), normalAPI(t, string(testdata(t, name+".api.json")))
			if !slices.Equal(got, want) {
				t.Errorf("API: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// sortedLines makes scrapes comparable: 1.11 sorts series in its own way.
func sortedLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// normalAPI gives the groups of an answer of /api/v1/metrics, sorted, with
// times as UTC.
func normalAPI(t testing.TB, text string) (groups []string) {
	t.Helper()
	var a struct{ Data []map[string]any }
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	for _, group := range a.Data {
		for _, v := range group {
			if family, ok := v.(map[string]any); ok && family["time_stamp"] != nil {
				family["time_stamp"] = inUTC(t, family["time_stamp"].(string))
			}
		}
		b, err := json.Marshal(group)
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, string(b))
	}
	slices.Sort(groups)
	return groups
}

func inUTC(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

// TestWriteRecorded holds what is written of the recorded files against them:
// package gob finds the same in both.
func TestWriteRecorded(t *testing.T) {
	for _, name := range recorded {
		t.Run(name, func(t *testing.T) {
			b := testdata(t, name+".gob")
			want, got := decodeMirror(t, b), decodeMirror(t, write(t, read(t, b).Groups))
			if !maps.EqualFunc(got, want, equalMirrors) {
				t.Errorf("got\n%s\nwant\n%s", showMirror(t, got), showMirror(t, want))
			}
		})
	}
}

func equalMirrors(a, b mirrorGroup) bool {
	return maps.Equal(a.Labels, b.Labels) && maps.EqualFunc(a.Metrics, b.Metrics, func(a, b mirrorEntry) bool {
		return a.Timestamp.Equal(b.Timestamp) && proto.Equal((*dto.MetricFamily)(a.GobbableMetricFamily), (*dto.MetricFamily)(b.GobbableMetricFamily))
	})
}

func showMirror(t testing.TB, m mirror) string {
	t.Helper()
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sameGroups tells in what two lists differ, "" if in nothing.
func sameGroups(a, b []*gateway.Group) string {
	if len(a) != len(b) {
		return "the number of groups"
	}
	for i := range a {
		if what := sameGroup(a[i], b[i]); what != "" {
			return a[i].Key.String() + ": " + what
		}
	}
	return ""
}

func sameGroup(a, b *gateway.Group) string {
	switch {
	case a.Key != b.Key:
		return "key"
	case !a.Pushed.Equal(b.Pushed) || !a.Failed.Equal(b.Failed):
		return "times"
	case a.Since != b.Since || a.Revision != b.Revision || a.Series != b.Series || len(a.Families) != len(b.Families):
		return "numbers"
	}
	for i := range a.Families {
		if !sameHeld(a.Families[i], b.Families[i]) {
			return a.Families[i].Name
		}
	}
	return cmp.Or(differ(a.PushTime(), b.PushTime()), differ(a.FailureTime(), b.FailureTime()))
}

func sameHeld(a, b gateway.Held) bool {
	return differ(a.Block, b.Block) == "" && a.Pushed.Equal(b.Pushed) && a.Claim == b.Claim && a.Took == b.Took
}

// differ gives the name of a if the blocks are not the same.
func differ(a, b *exposition.Block) string {
	if a.Name == b.Name && a.Help == b.Help && a.HasHelp() == b.HasHelp() && a.Type == b.Type && a.Legacy == b.Legacy && a.Series() == b.Series() &&
		bytes.Equal(a.Text(), b.Text()) && bytes.Equal(a.Proto(), b.Proto()) {
		return ""
	}
	return a.Name
}

func TestReadAgain(t *testing.T) {
	for _, name := range recorded {
		first := read(t, testdata(t, name+".gob")).Groups
		again := read(t, write(t, first)).Groups
		if what := sameGroups(first, again); what != "" {
			t.Errorf("%s: another %s", name, what)
		}
	}
}
