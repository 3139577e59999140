package attack

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

var search = flag.Duration("costs.search", 0, "look for so long for requests that cost more than those that are kept")

// cost is what a request takes, for each byte that is moved for it: sent,
// answered, and what any small request may take for nothing.
type cost struct {
	cpu    float64 // ns
	memory float64 // bytes at the peak, over what was held before
}

const (
	freeBytes  = 64 << 10
	freeMemory = 32 << 20 // what buffers and the pace of the garbage collector take
)

// bounds is what requests of a kind may take. A packed body counts as it is
// sent, so such requests have rows of their own.
// They stand well above what has been found, since a busy machine takes more.
var bounds = map[string]cost{
	"text":               {cpu: 120, memory: 200},
	"text packed":        {cpu: 5_000, memory: 4_000},
	"merge":              {cpu: 150, memory: 200},
	"merge packed":       {cpu: 5_000, memory: 4_000},
	"openmetrics":        {cpu: 1_500, memory: 600},
	"openmetrics packed": {cpu: 5_000, memory: 4_000},
	"protobuf":           {cpu: 1_500, memory: 600},
	"protobuf packed":    {cpu: 5_000, memory: 4_000},
	"otlp":               {cpu: 1_500, memory: 600},
	"otlp packed":        {cpu: 5_000, memory: 4_000},
	"otlp delta":         {cpu: 1_500, memory: 600},
	"otlp delta packed":  {cpu: 5_000, memory: 4_000},
	"otlp json":          {cpu: 1_500, memory: 600},
	"otlp json packed":   {cpu: 5_000, memory: 4_000},
	"groups":             {cpu: 1_500, memory: 200},
	"groups packed":      {cpu: 5_000, memory: 4_000},
	"delete":             {cpu: 150, memory: 200},
	"selector":           {cpu: 400, memory: 800},
	"labels":             {cpu: 400, memory: 800},
	"scrape":             {cpu: 2_000, memory: 1_000},
	"group":              {cpu: 150, memory: 800},
	"overview":           {cpu: 150, memory: 800},
	"all":                {cpu: 500, memory: 1_000},
}

// over tells by how much a cost is over its bound; more than 1 is too much.
func (c cost) over(bound cost) float64 { return max(c.cpu/bound.cpu, c.memory/bound.memory) }

func (r recipe) row() string {
	if _, ok := bounds[r.Kind+" packed"]; r.Packed && ok {
		return r.Kind + " packed"
	}
	return r.Kind
}

// stored is what every gateway has before its costs are measured.
func (g *gateway) store() {
	for i := range 200 {
		g.want(http.StatusOK, http.MethodPut, fmt.Sprintf("/metrics/job/stored/instance/%d", i), recipe{Families: 10, Series: 10, Labels: 2, Length: 10, Type: 1}.text())
	}
}

// measure sends what a recipe makes to a gateway of its own.
func measure(t *testing.T, r recipe) cost {
	t.Helper()
	g := begin(t, command("--web.enable-admin-api", "--web.enable-openmetrics"))
	defer g.proc.Stop()
	g.store()
	q := makers[r.Kind](r)
	held := g.resident()
	g.forgetPeak()
	cpu, moved := g.cpu(), 0
	for begin := time.Now(); ; {
		status, text := g.do(q.method, q.path, q.body, q.header...)
		if status >= http.StatusInternalServerError {
			t.Errorf("%+v: got %d %q", r, status, clip(text))
		}
		moved += len(q.path) + len(q.body) + len(text) + freeBytes
		if time.Since(begin) > 100*time.Millisecond {
			break
		}
	}
	memory := max(g.peak()-held-freeMemory, 0)
	one := len(q.path) + len(q.body) + freeBytes
	return cost{cpu: float64(g.cpu()-cpu) / float64(moved), memory: float64(memory) / float64(one)}
}

// TestCosts holds the requests that cost most, of those that were found, and
// some random ones, to what their kind may take.
func TestCosts(t *testing.T) {
	kinds := kindsOf()
	rnd := rand.New(rand.NewPCG(1, 2))
	all := kept(t)
	for range 2 * len(kinds) {
		all = append(all, randomRecipe(rnd, kinds))
	}
	for _, r := range all {
		checkCost(t, r)
	}
}

// checkCost measures up to three times: when the collector begins is chance, and what
// costs too much does so each time.
func checkCost(t *testing.T, r recipe) float64 {
	t.Helper()
	c, bound := measure(t, r), bounds[r.row()]
	for again := 0; again < 2 && c.over(bound) > 1; again++ {
		c = measure(t, r)
	}
	over := c.over(bound)
	if over > 1 {
		t.Errorf("%+v takes %.0f ns and %.0f bytes of memory for each byte that is moved, more than the %.0f and %.0f that its kind may take", r, c.cpu, c.memory, bound.cpu, bound.memory)
	}
	return over
}

// TestSearchCosts looks for requests that cost more, as long as it is told to.
func TestSearchCosts(t *testing.T) {
	if *search == 0 {
		t.Skip("without -costs.search")
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	worst := make(map[string]recipe)
	most := make(map[string]float64)
	for deadline := time.Now().Add(*search); time.Now().Before(deadline); {
		r := randomRecipe(rnd, kindsOf())
		if known, ok := worst[r.row()]; ok && rnd.IntN(2) == 0 {
			r = known.neighbour(rnd)
		}
		if over := checkCost(t, r); over > most[r.row()] {
			worst[r.row()], most[r.row()] = r, over
		}
	}
	for row, r := range worst {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.2f of its bound: %s", row, most[row], line)
	}
}

// kept are the recipes in testdata, each the worst of its kind when it was
// found.
func kept(t *testing.T) (all []recipe) {
	t.Helper()
	b, err := os.ReadFile("testdata/costs.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var r recipe
		dec := json.NewDecoder(strings.NewReader(lines.Text()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&r); err != nil {
			t.Fatalf("testdata/costs.jsonl: %q: %v", lines.Text(), err)
		}
		all = append(all, r)
	}
	return all
}
