package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/encoding/prototext"

	"pushgateway/internal/config"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/live"
	wiring "pushgateway/internal/server"
)

var (
	modelSeed  = flag.Uint64("model.seed", 1, "seed of the operations in TestModel")
	modelSteps = flag.Int("model.steps", 400, "operations per mode in TestModel")
)

// modelMode is a way in which the gateway can be started.
type modelMode struct {
	name            string
	utf8, unchecked bool
	onDisk          bool // the gateway is restarted now and then
}

var modelModes = []modelMode{
	{name: "default"},
	{name: "utf8", utf8: true},
	{name: "unchecked", unchecked: true},
	{name: "unchecked-utf8", unchecked: true, utf8: true},
	{name: "on-disk", onDisk: true, utf8: true},
	{name: "unchecked-on-disk", onDisk: true, unchecked: true},
}

// TestModel sends random pushes that often contradict each other, and holds
// verdicts and scrapes to those of a naive model with client_golang as judge.
func TestModel(t *testing.T) {
	for _, mode := range modelModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			ops := randomOps(rand.New(rand.NewPCG(*modelSeed, 0)), *modelSteps)
			step, err := mode.run(ops, false)
			if err == nil {
				return
			}
			short := mode.reduce(ops[:step+1])
			_, shortErr := mode.run(short, true)
			t.Errorf("-model.seed=%d, step %d: %v\nthe last operations:\n%s\nreduced to:\n%s\nwhich fails with: %v",
				*modelSeed, step, err, showOps(ops[max(0, step-9):step+1]), showOps(short), shortErr)
		})
	}
}

// run starts a gateway, does ops, and gives the first one that went wrong.
// While a failure is being reduced only the end matters: whether what is
// exposed in between is right would cost too much to ask.
func (m modelMode) run(ops []modelOp, reducing bool) (step int, err error) {
	s, err := newSystem(m)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	formats := rand.New(rand.NewPCG(*modelSeed, 1))
	for i, op := range ops {
		if err := s.do(op); err != nil {
			return i, fmt.Errorf("%v: %w", op, err)
		}
		checks := []scrapeFormat{scrapeFormats[formats.IntN(len(scrapeFormats))]}
		switch {
		case i == len(ops)-1 || i%10 == 0 && !reducing:
			checks = scrapeFormats
		case reducing:
			continue
		}
		if err := s.check(checks); err != nil {
			return i, fmt.Errorf("after %v: %w", op, err)
		}
	}
	return 0, nil
}

// reduce leaves out operations as long as the rest still fails.
func (m modelMode) reduce(ops []modelOp) []modelOp {
	for n := len(ops); n > 0; {
		shorter := false
		for i := 0; i+n <= len(ops); {
			rest := slices.Concat(ops[:i], ops[i+n:])
			if _, err := m.run(rest, true); err == nil {
				i += n
				continue
			}
			ops, shorter = rest, true
		}
		if n > 1 || !shorter {
			n /= 2
		}
	}
	return ops
}

// system is a gateway beside its model.
type system struct {
	mode    modelMode
	dir     string // of the journal, if it has one
	server  *wiring.Server
	handler http.Handler // as with default flags
	open    http.Handler // with OpenMetrics
	state   *modelState
	clock   *modelClock

	// own are the gateway's own families, gathered now and then: to do so for
	// each scrape would take most of the time.
	own []exposition.Exposed
}

func (s *system) gatherOwn() (err error) {
	s.own, err = s.server.Own(s.server.Gateway.View())
	return err
}

func newSystem(m modelMode) (s *system, err error) {
	s = &system{mode: m, clock: newModelClock()}
	if m.onDisk {
		if s.dir, err = os.MkdirTemp("", "model"); err != nil {
			return nil, err
		}
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	own, err := s.scrapeFamilies()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.state = newModelState(m, own, s.server.Metrics.Reserved())
	return s, nil
}

func (s *system) close() error { return errors.Join(s.server.Close(), os.RemoveAll(s.dir)) }

// start opens a gateway, with what the one before has left on disk.
func (s *system) start() (err error) {
	c := wiring.Config{
		Settings:  live.Fixed(live.New(new(config.Config), guard.Limits{Body: guard.BodyLimits{Bytes: 1 << 20, Inflight: 1 << 24}})),
		Unchecked: s.mode.unchecked, Now: s.clock.now, Logger: slog.New(slog.DiscardHandler),
	}
	if s.mode.onDisk {
		c.Storage.File = filepath.Join(s.dir, "journal")
	}
	if s.server, err = wiring.Open(context.Background(), c); err != nil {
		return err
	}
	s.serve()
	return s.gatherOwn()
}

// serve makes the handlers.
func (s *system) serve() {
	c := httpapi.Config{
		TelemetryPath: "/metrics", EnableAdmin: true,
		Own: func(*gateway.View) ([]exposition.Exposed, error) { return s.own, nil }, UI: http.NotFoundHandler(),
	}
	in := intake.Config{UTF8Names: s.mode.utf8}
	s.handler = s.server.Handler(c, in)
	c.EnableOpenMetrics = true
	s.open = s.server.Handler(c, in)
}

// restart ends the gateway and starts another, which must expose the same.
func (s *system) restart() error {
	if !s.mode.onDisk {
		return nil
	}
	before := s.exposed()
	if err := s.server.Close(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	if after := s.exposed(); after != before {
		return fmt.Errorf("it exposes something else:\n%s", diffLines(strings.Split(after, "\n"), strings.Split(before, "\n")))
	}
	return nil
}

// exposed is what was pushed as it is exposed, with all times.
func (s *system) exposed() string {
	w := serveOne(s.handler, http.MethodGet, "/metrics", "", http.Header{"Accept": {"text/plain;version=0.0.4;escaping=allow-utf-8"}})
	var b strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if !ownFamily.MatchString(line) || strings.Contains(line, `job="`) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func serveOne(h http.Handler, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// do sends an operation to gateway and model and compares the verdicts.
func (s *system) do(op modelOp) error {
	switch op.method {
	case keepOne:
		return s.keepOne(op)
	case restart:
		return s.restart()
	case turnClock:
		s.clock.turn(op.turn)
		s.server.Gateway.View() // somebody looks
		s.state.turn(op.turn)
		return nil
	}
	method, path, header := op.request()
	got := serveOne(s.handler, method, path, op.body.bytes, header)
	want, why := s.state.do(op)
	if got.Code != want && want != anyStatus {
		return fmt.Errorf("got %d %q, want %d (%v)", got.Code, got.Body, want, why)
	}
	return nil
}

// keepOne deletes all groups but one, so that nothing contradicts it any more.
func (s *system) keepOne(op modelOp) error {
	for _, key := range modelKeys {
		if key.path == op.key.path {
			continue
		}
		if err := s.do(modelOp{method: http.MethodDelete, key: key}); err != nil {
			return fmt.Errorf("DELETE %s: %w", key.path, err)
		}
	}
	return nil
}

// check compares what is exposed with the model, and reads the given formats
// as Prometheus would.
func (s *system) check(formats []scrapeFormat) error {
	if len(formats) > 1 {
		if err := s.gatherOwn(); err != nil {
			return err
		}
	}
	w := serveOne(s.handler, http.MethodGet, "/metrics", "", http.Header{"Accept": {"text/plain;version=0.0.4;escaping=allow-utf-8"}})
	if w.Code != http.StatusOK {
		return fmt.Errorf("scrape: got %d %q", w.Code, w.Body)
	}
	if err := s.state.compare(w.Body.String()); err != nil {
		return fmt.Errorf("scrape: %w", err)
	}
	for _, f := range formats {
		if err := s.read(f); err != nil {
			return fmt.Errorf("reading %v: %w", f, err)
		}
	}
	return nil
}

// scrapeFamilies reads all that is exposed by protobuf.
func (s *system) scrapeFamilies() ([]*dto.MetricFamily, error) {
	w := serveOne(s.handler, http.MethodGet, "/metrics", "", http.Header{"Accept": {protobufAccept + ";escaping=allow-utf-8"}})
	return readDelimited(w.Body.Bytes())
}

func readDelimited(b []byte) (families []*dto.MetricFamily, err error) {
	for r := bytes.NewReader(b); ; {
		f := new(dto.MetricFamily)
		switch err := protodelim.UnmarshalFrom(r, f); err {
		case nil:
			families = append(families, f)
		case io.EOF:
			return families, nil
		default:
			return nil, err
		}
	}
}

// modelOp is one operation: an HTTP method on a group, or one of those below.
type modelOp struct {
	method string
	key    modelKey
	body   modelBody
	modelLife
}

const (
	wipe    = "WIPE"
	keepOne = "DELETE all but"
	restart = "RESTART"
)

// request is the operation as HTTP.
func (o modelOp) request() (method, path string, header http.Header) {
	header = make(http.Header)
	if o.body.proto {
		header.Set("Content-Type", protobufAccept)
	}
	switch o.method {
	case wipe:
		return http.MethodPut, "/api/v1/admin/wipe", header
	case deleteSome:
		return http.MethodPost, "/api/v1/admin/delete_groups?" + query("match[]", o.selector), header
	}
	path = o.key.path
	if o.groupBy != "" {
		path = "/api/v1/push"
	}
	return o.method, path + o.parameters(header), header
}

func (o modelOp) String() string {
	switch o.method {
	case wipe, restart:
		return o.method
	case keepOne, http.MethodDelete:
		return o.method + " " + o.key.path
	case turnClock:
		return fmt.Sprint(turnClock, " ", o.turn)
	}
	method, path, header := o.request()
	return fmt.Sprintf("%s %s %v %s", method, path, header[ttlHeader], o.body)
}

func showOps(ops []modelOp) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "  %v\n", op)
	}
	return b.String()
}

func randomOps(r *rand.Rand, n int) []modelOp {
	ops := make([]modelOp, n)
	for i := range ops {
		if last := ops[i-min(i, 1+r.IntN(4))]; last.body.bytes != "" && !last.body.proto && r.IntN(2) == 0 {
			last.body.bytes = otherValues(r, last.body.bytes)
			ops[i] = last
			continue
		}
		op := modelOp{method: http.MethodPost, key: modelKeys[r.IntN(len(modelKeys))]}
		switch p := r.IntN(230); {
		case p >= 200:
			op = randomLife(r, op)
		case p < 1:
			op.method = wipe
		case p < 4:
			op.method = keepOne
		case p < 8:
			op.method = restart
		case p < 54:
			op.method = http.MethodDelete
		case p < 124:
			op.method = http.MethodPut
		}
		if op.groupBy == "" && (op.method == http.MethodPut || op.method == http.MethodPost) {
			op.body = randomBody(r)
			op.ttl = randomTTLs[r.IntN(len(randomTTLs))]
		}
		ops[i] = op
	}
	return ops
}

// values finds what the lines of a body end with.
var values = regexp.MustCompile(`(?m)^([^#\n]* )([^ \n]+)$`)

// otherValues makes the next push of a job, which mostly says the same with
// other values. Histograms go on making sense.
func otherValues(r *rand.Rand, body string) string {
	all, factor := []string{"1", "2", "4.5", "7.0", "1e6", "1234567", "-0", "NaN"}, 1+r.IntN(3)
	return values.ReplaceAllStringFunc(body, func(line string) string {
		name, value, _ := strings.Cut(line, " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && (strings.Contains(name, "_bucket") || strings.Contains(name, "_count")) {
			return fmt.Sprint(name, " ", v*float64(factor))
		}
		return line[:strings.LastIndexByte(line, ' ')+1] + all[r.IntN(len(all))]
	})
}

// modelBody is the body of a push.
type modelBody struct {
	proto bool
	bytes string
}

func (b modelBody) String() string {
	if !b.proto {
		return fmt.Sprintf("%q", b.bytes)
	}
	families, err := readDelimited([]byte(b.bytes))
	if err != nil {
		return err.Error()
	}
	var s strings.Builder
	for _, f := range families {
		fmt.Fprintf(&s, "protobuf{%s}", prototext.MarshalOptions{}.Format(f))
	}
	return s.String()
}

// randomBody puts pieces together: collisions within one push count too.
func randomBody(r *rand.Rand) modelBody {
	if r.IntN(6) == 0 {
		return modelBody{true, protoBody(protoPieces[r.IntN(len(protoPieces))])}
	}
	if r.IntN(3) == 0 {
		return modelBody{bytes: equalPieces[r.IntN(len(equalPieces))]}
	}
	var b modelBody
	for range 1 + r.IntN(3) {
		b.bytes += textPieces[r.IntN(len(textPieces))]
	}
	return b
}

// modelKeys are few, and some have series in common.
var modelKeys = []modelKey{
	newModelKey("/metrics/job/a", "job", "a"),
	newModelKey("/metrics/job/a/instance@base64/=", "job", "a", "instance", ""),
	newModelKey("/metrics/job/a/instance/i", "job", "a", "instance", "i"),
	newModelKey("/metrics/job/a/x/1", "job", "a", "x", "1"),
	newModelKey("/metrics/job/a/x@base64/=", "job", "a", "x", ""),
	newModelKey("/metrics/job/a/x@base64/=/instance@base64/=", "job", "a", "x", "", "instance", ""),
	newModelKey("/metrics/job@base64/YQ/x/1/y/2", "job", "a", "x", "1", "y", "2"),
	newModelKey("/metrics/job/a/y/2", "job", "a", "y", "2"),
	newModelKey("/metrics/job/b", "job", "b"),
	newModelKey("/metrics/job/a/le/1", "job", "a", "le", "1"),
	newModelKey("/metrics/job/a/quantile/1", "job", "a", "quantile", "1"),
	newModelKey("/metrics/job/a/l.x/1", "job", "a", "l.x", "1"),
	{
		path:   "/metrics/job/a/U__l_2e_x/1/l_x/1",
		labels: map[string]string{"job": "a", "l.x": "1", "l_x": "1"},
		plain:  map[string]string{"job": "a", "U__l_2e_x": "1", "l_x": "1"},
	},
}

const (
	classicText = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n"
	summaryText = "# TYPE h summary\nh{quantile=\"0.5\"} 1\nh_sum 4.5\nh_count 3\n"
)

// equalPieces have series that become equal in different groups, also in
// chains: one group shares a series with a second, and that with a third.
var equalPieces = []string{
	"m 1\n",
	"m 1\nm{y=\"2\"} 1\n",
	"m{x=\"1\"} 1\n",
	"m{x=\"1\",y=\"2\"} 1\n",
	"m{x=\"\"} 1\nm{y=\"2\"} 1\n",
	"m{instance=\"i\"} 1\nm{x=\"1\"} 1\n",
}

// textPieces use few names, so that they contradict each other.
var textPieces = []string{
	"",
	"m 1\n",
	"# HELP m one\nm{x=\"1\"} 1\n",
	"# HELP m another\nm{x=\"1\"} 1\nm{x=\"2\"} 2\n",
	"m{x=\"1\",y=\"2\"} 1\n",
	"m{y=\"2\"} 1\nm{instance=\"i\"} 1\n",
	"m{instance=\"\"} 1\nm 2\n",
	"m{x=\"\"} 1\nm 2\n",
	"# TYPE m gauge\nm 2\n",
	"# TYPE m gauge\nm{x=\"1\"} 2\nm{y=\"2\"} 2\n",
	"# TYPE m counter\nm 3\n",
	"# TYPE m_total counter\nm_total 3\n",
	"m 1 1234\n",
	"m{\n",
	classicText,
	summaryText,
	"# TYPE m histogram\nm_bucket{le=\"1\"} 1\nm_sum 4.5\nm_count 3\n",
	"h 1\n",
	"# TYPE h_count gauge\nh_count 1\n",
	"# TYPE h_sum gauge\nh_sum 1\n",
	"# TYPE h_bucket gauge\nh_bucket{le=\"1\"} 1\n",
	"h_bucket{le=\"+Inf\",x=\"1\"} 1\n",
	"{\"a.b\"} 1\n{\"a.b\",x=\"1\"} 1\n",
	"a_b 1\n",
	"# TYPE a__b counter\na__b{x=\"1\"} 1\n",
	"# TYPE \"a.b\" summary\n{\"a.b\",quantile=\"0.5\"} 1\n{\"a.b_sum\"} 1\n{\"a.b_count\"} 1\n",
	"{\"a.b_count\"} 1\n",
	"a_b_count 1\n",
	"m{\"l.x\"=\"1\",l_x=\"1\"} 1\n",
	"m{\"l.x\"=\"1\"} 1\nm{l_x=\"1\"} 1\n",
	"m{\"l:x\"=\"1\",\"l.x\"=\"1\",\"ü\"=\"ä\\n\\\"\\\\\"} NaN\n",
	"# TYPE go_goroutines gauge\ngo_goroutines 1\ngo_goroutines{x=\"1\"} 1\n",
	"go_goroutines 1\n",
	"pushgateway_http_push_size_bytes 5\n",
	"# TYPE pushgateway_http_push_size_bytes summary\npushgateway_http_push_size_bytes_sum 1\npushgateway_http_push_size_bytes_count 1\n",
	"# TYPE pushgateway_http_push_size_bytes_sum gauge\npushgateway_http_push_size_bytes_sum 1\n",
	"# TYPE go summary\ngo_sum 1\ngo_count 1\n",
	"push_time_seconds 3\n",
}

// protoPieces are what only protobuf can say.
var protoPieces = []string{
	nativeHistogram(`name:"h"`, ``, ``),
	nativeHistogram(`name:"h" help:"native"`, `label{name:"x" value:"1"}`, `bucket{cumulative_count:1 upper_bound:1}`),
	nativeHistogram(`name:"h"`, `label{name:"le" value:"1"}`, ``),
	nativeHistogram(`name:"a.b"`, `label{name:"l.x" value:"1"}`, ``),
	`name:"h" type:SUMMARY metric{label{name:"quantile" value:"1"} summary{sample_count:1 sample_sum:2}}`,
	`name:"h" type:SUMMARY metric{summary{sample_count:1 sample_sum:2 quantile{quantile:0.5 value:1}}}`,
	`name:"m" type:COUNTER`,
	`name:"h_count" type:GAUGE`,
	`name:"m" type:GAUGE metric{label{name:"y" value:"2"} label{name:"x" value:"1"} gauge{value:1}}`,
	`name:"m" type:GAUGE metric{gauge{value:1} timestamp_ms:1}`,
	`name:"h" type:HISTOGRAM metric{histogram{sample_count:3 sample_sum:4.5 bucket{cumulative_count:3 upper_bound:inf}}}`,
}

func nativeHistogram(head, labels, buckets string) string {
	return head + ` type:HISTOGRAM metric{` + labels + ` histogram{sample_count:3 sample_sum:4.5 ` + buckets +
		` schema:3 zero_threshold:0.001 zero_count:1 positive_span{offset:1 length:2} positive_delta:1 positive_delta:0}}`
}

func protoBody(piece string) string {
	f := new(dto.MetricFamily)
	if err := prototext.Unmarshal([]byte(piece), f); err != nil {
		panic(err)
	}
	var b bytes.Buffer
	if _, err := protodelim.MarshalTo(&b, f); err != nil {
		panic(err)
	}
	return b.String()
}
