package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scenario is one line of testdata/compat/scenarios.jsonl; its README tells
// the meaning of the fields.
type scenario struct {
	Name          string            `json:"name"`
	Args          []string          `json:"args"`
	RoutePrefix   string            `json:"route_prefix"`
	TelemetryPath string            `json:"telemetry_path"`
	Requests      []recordedRequest `json:"requests"`
	WantScrape    []string          `json:"want_scrape"`
	WantMetrics   string            `json:"want_api_v1_metrics"`
}

type recordedRequest struct {
	Method          string            `json:"method"`
	Path            string            `json:"path"`
	Headers         map[string]string `json:"headers"`
	Body            []byte            `json:"body_base64"`
	WantStatus      int               `json:"want_status"`
	WantContentType string            `json:"want_content_type"`
	WantLocation    string            `json:"want_location"`
}

func scenarios(t testing.TB) []scenario {
	t.Helper()
	b, err := os.ReadFile("../testdata/compat/scenarios.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []scenario
	for line := range bytes.Lines(b) {
		var s scenario
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// TestCompat holds the gateway to what Pushgateway 1.11.3 answered.
func TestCompat(t *testing.T) {
	servers := make(map[string]*server)
	for _, sc := range scenarios(t) {
		args := strings.Join(sc.Args, " ")
		if servers[args] == nil {
			servers[args] = startAt(t, sc.RoutePrefix, sc.Args...)
		}
		s := servers[args]
		t.Run(sc.Name, func(t *testing.T) { s.with(t).replay(sc) })
	}
}

func (s *server) replay(sc scenario) {
	defer func() {
		if a := s.do(http.MethodPut, "/api/v1/admin/wipe", ""); a.status != http.StatusAccepted {
			s.t.Errorf("wiping afterwards: got %d", a.status)
		}
	}()
	for _, r := range sc.Requests {
		s.replayRequest(r)
	}
	scrape := s.do(http.MethodGet, sc.TelemetryPath, "")
	if got := normalScrape(scrape.body); scrape.status != http.StatusOK || !slices.Equal(got, sc.WantScrape) {
		s.t.Errorf("scrape: got %d\n%s\nwant\n%s", scrape.status, strings.Join(got, "\n"), strings.Join(sc.WantScrape, "\n"))
	}
	metrics := s.do(http.MethodGet, "/api/v1/metrics", "")
	if got := normalMetrics(s.t, metrics.body); got != strings.TrimSpace(sc.WantMetrics) {
		s.t.Errorf("/api/v1/metrics: got\n%s\nwant\n%s", got, sc.WantMetrics)
	}
}

func (s *server) replayRequest(r recordedRequest) {
	s.t.Helper()
	a := s.raw(r)
	if a.status != r.WantStatus {
		s.t.Errorf("%s %s %q: got %d %q, want %d", r.Method, r.Path, r.Body, a.status, a.body, r.WantStatus)
	}
	if got := mediaType(a.header.Get("Content-Type")); r.WantContentType != "" && got != mediaType(r.WantContentType) {
		s.t.Errorf("%s %s: got content type %q, want %q", r.Method, r.Path, got, r.WantContentType)
	}
	if got := strings.ReplaceAll(a.header.Get("Location"), s.addr, "ADDR"); r.WantLocation != "" && got != r.WantLocation {
		s.t.Errorf("%s %s: got location %q, want %q", r.Method, r.Path, got, r.WantLocation)
	}
}

func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return t
}

// raw sends a request with its path as it stands, which net/http would not.
func (s *server) raw(r recordedRequest) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n", r.Method, r.Path, s.addr, len(r.Body))
	for name, value := range r.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		s.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method})
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.Method, r.Path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

var (
	ownFamily = regexp.MustCompile(`^(# (HELP|TYPE) )?(go_|process_|promhttp_|pushgateway_)`)
	timeLine  = regexp.MustCompile(`^(push_(?:failure_|expiry_)?time_seconds\{.*\}) (.+)$`)
)

// normalScrape sorts the lines and takes out what differs from run to run.
func normalScrape(text string) []string {
	lines := []string{}
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || ownFamily.MatchString(line) {
			continue
		}
		if m := timeLine.FindStringSubmatch(line); m != nil {
			line = m[1] + " " + setOrZero(m[2], "ZERO")
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func setOrZero(value, zero string) string {
	if value == "0" {
		return zero
	}
	return "SET"
}

// normalMetrics does the same to the answer of /api/v1/metrics.
func normalMetrics(t testing.TB, text string) string {
	t.Helper()
	var a struct {
		Status string
		Data   []map[string]any
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("/api/v1/metrics: %v in %q", err, text)
	}
	groups := make([]string, len(a.Data))
	for i, group := range a.Data {
		for name, v := range group {
			if family, ok := v.(map[string]any); ok && family["time_stamp"] != nil {
				normalFamily(t, name, family)
			}
		}
		groups[i] = marshal(t, group)
	}
	slices.Sort(groups)
	return strings.TrimSpace(a.Status + " " + strings.Join(groups, "\n"))
}

func normalFamily(t testing.TB, name string, family map[string]any) {
	t.Helper()
	family["time_stamp"] = "T"
	metrics, ok := family["metrics"].([]any)
	if !ok {
		return
	}
	lines := make([]string, len(metrics))
	for i, m := range metrics {
		metric := maps.Clone(m.(map[string]any))
		if name == "push_time_seconds" || name == "push_failure_time_seconds" {
			metric["value"] = setOrZero(metric["value"].(string), "0")
		}
		lines[i] = marshal(t, metric)
	}
	slices.Sort(lines)
	family["metrics"] = lines
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
