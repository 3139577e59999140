package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/otlp"
)

// TestExportsToMembers sends exports and pushes in text to two members of a cluster,
// which see each other's changes late, lose the store, and lose its answers. Clients
// send again what got no answer, and sometimes what got one. A model knows what each
// may have changed, and what each answer has to say.
func TestExportsToMembers(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newExportCluster(t, seed)
			for range 60 {
				if c.step(); t.Failed() {
					t.Fatalf("seed %d:\n%s", seed, strings.Join(c.trace, "\n"))
				}
			}
			if c.drain(); t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, strings.Join(c.trace, "\n"))
			}
		})
	}
}

// exportCluster has two members, what clients have sent them, and the model.
type exportCluster struct {
	*requests
	t       *testing.T
	store   *journaltest.Shared
	members []*exportMember
	clock   atomic.Int64
	model   worlds
	held    bool       // the group of the job holder has taken_total as a gauge
	open    []*request // that got no answer yet
	closed  []*request // that got one
	trace   []string
}

type exportMember struct {
	http.Handler
	journal *journaltest.Member
}

func newExportCluster(t *testing.T, seed uint64) *exportCluster {
	c := &exportCluster{requests: &requests{random: rand.New(rand.NewPCG(seed, 0))}, t: t, store: journaltest.NewShared(t), model: make(worlds)}
	c.clock.Store(firstDay)
	for range 2 {
		c.join()
	}
	c.hold()
	return c
}

// join adds a member.
func (c *exportCluster) join() {
	m := &exportMember{journal: c.store.Member()}
	g, err := gateway.Open(c.t.Context(), gateway.Config{Journal: m.journal, Wait: 20 * time.Millisecond, Now: func() time.Time { return time.Unix(c.clock.Load(), 0) }})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = g.Close() })
	config := configured(c.t)
	config.Gateway, config.Intake = g, intake.New(g, intake.Config{OTLP: otlp.Options{Promoted: []string{"deployment.environment"}}})
	m.Handler = New(config)
	c.members = append(c.members, m)
}

func (c *exportCluster) note(format string, args ...any) {
	c.trace = append(c.trace, fmt.Sprintf(format, args...))
}

// step does one thing.
func (c *exportCluster) step() {
	i := c.random.IntN(len(c.members))
	const mostWorlds = 32
	switch n := c.random.IntN(24); {
	case c.model.most() > mostWorlds:
		c.meet()
	case n < 9:
		c.sendDuring(i, c.export(false))
	case n < 12 && len(c.open) > 0:
		at := c.random.IntN(len(c.open))
		r := c.open[at]
		c.open = slices.Delete(c.open, at, at+1)
		c.sendDuring(i, r)
	case n < 14 && len(c.closed) > 0:
		c.sendDuring(i, c.closed[c.random.IntN(len(c.closed))])
	case n < 17:
		c.sendDuring(i, c.text())
	case n < 19:
		late := c.one(2)
		c.note("member %d lags: %t", i, late)
		c.members[i].journal.Lag(late)
	case n == 19:
		away := c.one(2)
		c.note("member %d is away: %t", i, away)
		c.members[i].journal.Leave(away)
	case n == 20:
		stored := c.one(2)
		c.note("member %d loses an answer, stored: %t", i, stored)
		c.members[i].journal.Lose(stored)
	case n == 21:
		c.settle(i)
	default:
		c.meet()
	}
}

// sendDuring sends a request. Sometimes another member takes a simple one before the
// store has that of the first.
func (c *exportCluster) sendDuring(i int, r *request) {
	if c.leavesNoTrace(r) { // then what is under way would not be stale
		c.settle(0)
		c.settle(1)
	} else if c.one(4) {
		meanwhile := c.export(true)
		c.members[i].journal.Before(func() { c.send(1-i, meanwhile) })
		defer c.members[i].journal.Before(nil)
	}
	c.send(i, r)
}

// leavesNoTrace reports whether a request may change nothing in the store for some
// group, since that is not there, or end it. This store, unlike that of a real cluster,
// does not remember ends.
func (c *exportCluster) leavesNoTrace(r *request) bool {
	for group, change := range r.changes {
		isEmpty := func(w world) bool { return len(w.series) == 0 }
		if _, text := change.(*pushed); change.mayOnlyRemove() && (text || slices.ContainsFunc(c.model.of(group), isEmpty)) {
			return true
		}
	}
	return false
}

// send sends a request to a member, and changes the model as the answer says.
func (c *exportCluster) send(i int, r *request) (status int) {
	req, w := r.made(), httptest.NewRecorder()
	c.note("member %d: %s %s: %v", i, req.Method, req.URL, r.changes)
	c.members[i].ServeHTTP(w, req)
	c.note("\t%d %q, replayed %q", w.Code, w.Body, w.Header().Get("Idempotency-Replayed"))
	if w.Code == http.StatusServiceUnavailable {
		c.model.doubt(r.changes, c.moment())
		if r.again {
			c.open = append(c.open, r)
		}
		return w.Code
	}
	may := c.model.acknowledge(r.changes, c.moment())
	got := told{rejected: c.rejectedBy(r, w) - r.static, replayed: w.Header().Get("Idempotency-Replayed") == "true", taken: w.Code/100 == 2}
	refused := got
	refused.taken = false
	if ok := may[got] || r.export && got.taken && may[refused]; !ok {
		c.t.Errorf("the answer of member %d is %d %q, replayed is %t; want one of %v, beside %d rejected points", i, w.Code, w.Body, got.replayed, may, r.static)
	}
	if r.again && got.taken {
		c.closed = append(c.closed, r)
	}
	return w.Code
}

func (c *exportCluster) moment() moment { return moment{held: c.held, now: c.clock.Load()} }

// rejectedBy returns how many points an answer rejects.
func (c *exportCluster) rejectedBy(r *request, w *httptest.ResponseRecorder) int {
	if !r.export {
		return 0
	}
	var inJSON struct {
		PartialSuccess struct {
			Rejected int `json:"rejectedDataPoints,string"`
		} `json:"partialSuccess"`
	}
	if w.Header().Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(w.Body.Bytes(), &inJSON); err != nil {
			c.t.Errorf("the answer %q: %v", w.Body, err)
		}
		return inJSON.PartialSuccess.Rejected
	}
	m := new(collector.ExportMetricsServiceResponse)
	if err := proto.Unmarshal(w.Body.Bytes(), m); err != nil {
		c.t.Errorf("the answer %q: %v", w.Body, err)
	}
	return int(m.GetPartialSuccess().GetRejectedDataPoints())
}

// settle decides about the changes whose outcome a member does not know.
func (c *exportCluster) settle(i int) {
	arrives := c.one(2)
	c.note("what member %d does not know arrives: %t", i, arrives)
	c.members[i].journal.Settle(arrives)
}

// meet ends all trouble, and compares what the members expose. Then, sometimes, an hour
// passes, or another group takes a name or gives it back.
func (c *exportCluster) meet() {
	c.note("the members meet")
	for i, m := range c.members {
		m.journal.Leave(false)
		c.settle(i)
	}
	for _, m := range c.members {
		m.journal.Lag(false)
	}
	c.compare()
	switch c.random.IntN(6) {
	case 0:
		c.note("an hour passes")
		c.clock.Add(int64(gateway.ReceiptLife / time.Second))
		c.model.forget()
	case 1, 2:
		c.hold()
	}
}

// hold has a group take the name taken_total, or end. No member may be in trouble.
func (c *exportCluster) hold() {
	method, body := http.MethodDelete, ""
	if !c.held {
		method, body = http.MethodPut, "# TYPE taken_total gauge\ntaken_total 1\n"
	}
	for range 1000 {
		w := httptest.NewRecorder()
		c.members[0].ServeHTTP(w, httptest.NewRequest(method, "/metrics/job/holder", strings.NewReader(body)))
		c.note("%s holder: %d", method, w.Code)
		switch {
		case w.Code == http.StatusServiceUnavailable: // the answer may have been lost
			c.members[0].journal.Settle(true)
			c.members[0].journal.Lag(false)
			continue
		case w.Code/100 == 2:
			c.held = !c.held
		case !c.isTaken():
			c.t.Errorf("the group with taken_total got %d %s", w.Code, w.Body)
		}
		return
	}
	c.t.Error("the group with taken_total was never stored")
}

// isTaken reports whether a group has what exports have of taken_total.
func (c *exportCluster) isTaken() bool {
	for group := range c.model {
		for _, w := range c.model.of(group) {
			for name := range w.series {
				if strings.HasPrefix(name, "taken_total ") {
					return true
				}
			}
		}
	}
	return false
}

// drain sends what got no answer until it gets one. Then it compares the members, and
// one that starts.
func (c *exportCluster) drain() {
	c.meet()
	for tries := 0; len(c.open) > 0; tries++ {
		r := c.open[0]
		c.open = c.open[1:]
		if c.send(c.random.IntN(len(c.members)), r) == http.StatusServiceUnavailable {
			c.meet()
		}
		if tries > 1000 {
			c.t.Fatal("some requests never got an answer")
		}
	}
	c.meet()
	c.join()
	c.compare()
}

// compare compares what the members expose with each other, and with the model.
func (c *exportCluster) compare() {
	first := scrapesOf(c.t, c.members[0])
	for i, m := range c.members {
		for accept, text := range scrapesOf(c.t, m) {
			if text != first[accept] {
				c.t.Errorf("%s: member %d exposes\n%s\nbut member 0\n%s", accept, i, text, first[accept])
			}
		}
	}
	exposed := c.exposed(first[protobuf])
	for group := range c.model {
		before := c.model.of(group)
		if !c.model.see(group, exposed[group].exposed()) {
			c.t.Errorf("the group %s exposes\n%s\nwant one of", group, exposed[group].exposed())
			for _, w := range before {
				c.t.Errorf("\n%s", w.exposed())
			}
		}
		delete(exposed, group)
	}
	for group, w := range exposed {
		if group != "holder||" {
			c.t.Errorf("the group %s exposes\n%s\nwant none", group, w.exposed())
		}
	}
}

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// scrapesOf returns scrapes by format. It wants all of them to be readable.
func scrapesOf(t *testing.T, h http.Handler) map[string]string {
	t.Helper()
	scraped(t, h)
	all := make(map[string]string)
	for _, accept := range []string{"application/openmetrics-text;version=1.0.0", protobuf, "text/plain"} {
		r, w := httptest.NewRequest(http.MethodGet, "/metrics", nil), httptest.NewRecorder()
		r.Header.Set("Accept", accept)
		h.ServeHTTP(w, r)
		all[accept] = w.Body.String()
	}
	return all
}

// exposed reads what a scrape in protobuf has of each group, without what the gateway
// itself adds.
func (c *exportCluster) exposed(scrape string) map[string]world {
	all := make(map[string]world)
	d := expfmt.NewDecoder(bytes.NewReader([]byte(scrape)), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		f := new(dto.MetricFamily)
		err := d.Decode(f)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if strings.HasPrefix(f.GetName(), "push_") {
			continue
		}
		for _, m := range f.GetMetric() {
			group, label := placeOf(m)
			if _, ok := all[group]; !ok {
				all[group] = world{series: make(map[string]sample)}
			}
			all[group].series[f.GetName()+" "+label] = sampleOf(m)
		}
	}
}

// placeOf returns the group of a series, and its other label.
func placeOf(m *dto.Metric) (group, label string) {
	var job, instance, environment string
	for _, l := range m.GetLabel() {
		switch l.GetName() {
		case "job":
			job = l.GetValue()
		case "instance":
			instance = l.GetValue()
		case "deployment_environment":
			environment = l.GetValue()
		default:
			label += l.GetName() + "=" + l.GetValue()
		}
	}
	return job + "|" + instance + "|" + environment, label
}

// sampleOf reads a series.
func sampleOf(m *dto.Metric) sample {
	switch {
	case m.Counter != nil:
		return sample{value: m.Counter.GetValue(), start: m.Counter.GetCreatedTimestamp().GetSeconds()}
	case m.Histogram == nil:
		return sample{value: m.GetGauge().GetValue()}
	}
	h := m.Histogram
	b := &buckets{count: h.GetSampleCount(), sum: h.GetSampleSum(), counts: make(map[float64]uint64)}
	for _, c := range h.GetBucket() {
		if !math.IsInf(c.GetUpperBound(), +1) {
			b.counts[c.GetUpperBound()] = c.GetCumulativeCount()
		}
	}
	if h.Schema != nil {
		b.native, b.schema, b.zero = true, h.GetSchema(), h.GetZeroCount()
		index, count, deltas := int32(0), int64(0), h.GetPositiveDelta()
		for _, span := range h.GetPositiveSpan() {
			index += span.GetOffset()
			for range span.GetLength() {
				if count, deltas = count+deltas[0], deltas[1:]; count > 0 {
					b.counts[float64(index)] = uint64(count)
				}
				index++
			}
		}
	}
	return sample{hist: b, start: h.GetCreatedTimestamp().GetSeconds()}
}
