package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/otlptranslator"

	"pushgateway/internal/config"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/live"
	"pushgateway/internal/otlp"
	wiring "pushgateway/internal/server"
	"pushgateway/internal/storage"
)

var (
	unbrokenSeed  = flag.Uint64("unbroken.seed", 1, "first seed of TestUnbroken; 0 means a random one")
	unbrokenSeeds = flag.Int("unbroken.seeds", 12, "how many seeds TestUnbroken takes, one after another")
	unbrokenSteps = flag.Int("unbroken.steps", 60, "steps for each seed of TestUnbroken")
)

// TestUnbroken pushes at random through all doors, with few names and labels, so
// that pushes often contradict each other. Whatever was taken, each scrape must be
// one that Prometheus reads, in which no series comes twice. Unlike TestModel it
// does not know which pushes are right.
func TestUnbroken(t *testing.T) {
	first := *unbrokenSeed
	if first == 0 {
		first = rand.Uint64N(1 << 40)
	}
	for seed := first; seed < first+uint64(*unbrokenSeeds); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			u := newUnbroken(seed)
			steps := u.maker().steps(*unbrokenSteps)
			n, err := u.run(steps)
			if err == nil {
				return
			}
			short := u.reduce(steps[:n+1])
			_, shortErr := u.run(short)
			t.Errorf("-unbroken.seed=%d, %+v, step %d: %v\nreduced to:\n%s\nwhich fails with: %v", seed, u, n, err, showSteps(short), shortErr)
		})
	}
}

// TestFailures refuses pushes to a group that expires. What failed before its end is
// nothing that the next group with its key is told of. What failed after it is there
// also after a restart.
func TestFailures(t *testing.T) {
	push := func(body string, header ...string) unbrokenStep {
		r := doorRequest{method: http.MethodPut, path: "/metrics/job/a", header: make(http.Header), body: body}
		for i := 0; i < len(header); i += 2 {
			r.header.Set(header[i], header[i+1])
		}
		return unbrokenStep{requests: []doorRequest{r}}
	}
	mortal, refused, restart := push("m 1\n", "X-Pushgateway-TTL", "1m"), push("m 1 1\n"), unbrokenStep{restart: true}
	after := func(d time.Duration) unbrokenStep { return unbrokenStep{turn: d} }
	for name, steps := range map[string][]unbrokenStep{
		// Nobody reads in between: that would have the journal write the end of the group.
		"before": {mortal, refused, after(time.Hour), push("m 2\n"), restart},
		"after":  {mortal, after(time.Hour), refused, restart},
		"twice":  {mortal, after(time.Hour), refused, after(time.Minute), refused, restart},
		"both":   {mortal, refused, after(time.Hour), refused, after(time.Minute), refused, restart, refused, restart},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := openUnbroken(unbroken{seed: 1, onDisk: true})
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range steps {
				if err := s.do(step); err != nil {
					t.Errorf("step %d: %v", i, err)
				}
			}
			if n := s.server.Gateway.View().Groups(); n != 1 {
				t.Errorf("there are %d groups, want 1", n)
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// unbroken is how the gateway of a seed is started.
type unbroken struct {
	seed            uint64
	utf8, unchecked bool
	onDisk          bool // it is restarted now and then
	strategy        otlptranslator.TranslationStrategyOption
}

var strategies = []otlptranslator.TranslationStrategyOption{
	otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes,
	otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation,
}

func newUnbroken(seed uint64) unbroken {
	r := rand.New(rand.NewPCG(seed, 0))
	return unbroken{seed: seed, utf8: r.IntN(4) > 0, unchecked: r.IntN(5) == 0, onDisk: r.IntN(3) == 0, strategy: strategies[r.IntN(len(strategies))]}
}

// run starts a gateway, does the steps, and returns the first one that went wrong.
func (u unbroken) run(steps []unbrokenStep) (n int, err error) {
	s, err := openUnbroken(u)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	formats := rand.New(rand.NewPCG(u.seed, 1))
	for i, step := range steps {
		if err := s.do(step); err != nil {
			return i, err
		}
		checks := []unbrokenFormat{unbrokenFormats[formats.IntN(len(unbrokenFormats))]}
		if i%15 == 14 || i == len(steps)-1 {
			checks = unbrokenFormats
		}
		if err := s.check(checks); err != nil {
			return i, fmt.Errorf("after %v: %w", step, err)
		}
	}
	return 0, nil
}

// reduce leaves out steps as long as the rest still fails.
func (u unbroken) reduce(steps []unbrokenStep) []unbrokenStep {
	for n := len(steps); n > 0; n /= 2 {
		for i := 0; i+n <= len(steps); {
			rest := slices.Concat(steps[:i], steps[i+n:])
			if _, err := u.run(rest); err == nil {
				i += n
				continue
			}
			steps = rest
		}
	}
	return steps
}

// unbrokenStep is requests that are sent at once, or one of the others.
type unbrokenStep struct {
	requests []doorRequest
	turn     time.Duration // of the clock
	restart  bool
	move     moving
}

// moving is how what is stored comes into another file.
type moving int

const (
	bySnapshot moving = 1 + iota
	byExport          // as a file of 1.11, which is then imported
	byMixture         // the same, with groups that an earlier export had and that are gone
)

// doorRequest is a request to one of the doors.
type doorRequest struct {
	door         door
	method, path string
	header       http.Header
	body         string
}

// door is how the gateway serves pushes.
type door int

const (
	plainDoor  door = iota
	zapierDoor      // with --push.aggregate=zapier
	gravelDoor
	doors
)

func (r doorRequest) String() string {
	body := fmt.Sprintf("%q", r.body)
	if families, err := readDelimited([]byte(r.body)); err == nil && r.body != "" && strings.Contains(r.header.Get("Content-Type"), "MetricFamily") {
		body = fmt.Sprint("protobuf ", families)
	}
	return fmt.Sprintf("%s to %s %s %v %s", [...]string{"plain", "zapier", "gravel"}[r.door], r.method, r.path, r.header, body)
}

func (s unbrokenStep) String() string {
	switch {
	case s.turn != 0:
		return fmt.Sprint("turn the clock by ", s.turn)
	case s.restart:
		return "restart"
	case s.move != 0:
		return [...]string{"", "move by snapshot", "move by export", "move by mixture"}[s.move]
	}
	var all []string
	for _, r := range s.requests {
		all = append(all, r.String())
	}
	return strings.Join(all, "\n    and ")
}

func showSteps(steps []unbrokenStep) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "  %v\n", s)
	}
	return b.String()
}

// unbrokenSystem is a running gateway.
type unbrokenSystem struct {
	unbroken
	dir    string
	file   string // of the journal, or ""
	moves  int
	gone   map[grouping.Key]*gateway.Group // of earlier exports
	mixed  bool                            // groups may have come that contradict each other
	clock  *modelClock
	latest int64 // that the clock has shown
	server *wiring.Server
	doors  [doors]http.Handler
	own    []exposition.Exposed // gathered once, since that takes long
}

func openUnbroken(u unbroken) (s *unbrokenSystem, err error) {
	s = &unbrokenSystem{unbroken: u, clock: newModelClock()}
	if s.dir, err = os.MkdirTemp("", "unbroken"); err != nil {
		return nil, err
	}
	if u.onDisk {
		s.file = filepath.Join(s.dir, "journal")
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

func (s *unbrokenSystem) close() error { return errors.Join(s.server.Close(), os.RemoveAll(s.dir)) }

// open opens a gateway with what the one before has left.
func (s *unbrokenSystem) open() (err error) {
	s.server, err = wiring.Open(context.Background(), wiring.Config{
		Storage:   storage.Config{File: s.file},
		Settings:  live.Fixed(live.New(new(config.Config), guard.Limits{Body: guard.BodyLimits{Bytes: 1 << 20, Inflight: 1 << 24}})),
		Unchecked: s.unchecked, Now: s.clock.now, Logger: slog.New(slog.DiscardHandler), History: 3,
	})
	if err != nil {
		return err
	}
	if s.own == nil {
		if s.own, err = s.server.Own(s.server.Gateway.View()); err != nil {
			return err
		}
		// All of them would take most of the time.
		s.own = slices.DeleteFunc(s.own, func(f exposition.Exposed) bool { return !slices.Contains(nameThemes[2], f.Name) })
	}
	for d := range s.doors {
		c := httpapi.Config{
			TelemetryPath: "/metrics", EnableAdmin: true, EnableOpenMetrics: true,
			Own: func(*gateway.View) ([]exposition.Exposed, error) { return s.own, nil }, UI: http.NotFoundHandler(),
		}
		if d := door(d); d != plainDoor {
			c.AggregateJob, c.AggregateGauges = "a", map[door]string{zapierDoor: "sum", gravelDoor: "clearmode"}[d]
		}
		s.doors[d] = s.server.Handler(c, intake.Config{
			UTF8Names: s.utf8, StripTimestamps: s.seed%2 == 0,
			OTLP: otlp.Options{Strategy: s.strategy, Promoted: []string{"x", "l.x"}},
		})
	}
	return nil
}

// reopen ends the gateway and starts another from a file, which must expose the
// same. If the clock was set back, it is right again: series that have ended may come
// back with a start before their end.
func (s *unbrokenSystem) reopen(file string) error {
	s.clock.at.Store(max(s.latest, s.clock.at.Load()))
	before := s.whole()
	if err := s.server.Close(); err != nil {
		return err
	}
	s.file = file
	if err := s.open(); err != nil {
		return err
	}
	if after := s.whole(); after != before {
		return fmt.Errorf("another gateway exposes something else:\n%s", diffLines(strings.Split(after, "\n"), strings.Split(before, "\n")))
	}
	return nil
}

// whole is all that is exposed, in the formats that have most.
func (s *unbrokenSystem) whole() string {
	var b strings.Builder
	for _, media := range []string{textType, openMetrics1, protobufAsText} {
		w := s.get(unbrokenFormat{scrapeFormat{media, noEscaping}, ""})
		b.WriteString(w.Body.String())
	}
	return b.String()
}

func (s *unbrokenSystem) do(step unbrokenStep) error {
	switch {
	case step.turn != 0:
		s.clock.turn(step.turn)
		s.latest = max(s.latest, s.clock.at.Load())
		return nil
	case step.restart:
		if s.onDisk {
			return s.reopen(s.file)
		}
		return nil
	case step.move != 0:
		return s.move(step.move)
	case len(step.requests) == 1:
		return s.request(step.requests[0])
	}
	errs := make([]error, len(step.requests))
	var all sync.WaitGroup
	for i, r := range step.requests {
		all.Go(func() { errs[i] = r.verdict(s.send(r)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// move ends the gateway and opens another with what that had.
func (s *unbrokenSystem) move(by moving) error {
	if !s.onDisk {
		return nil
	}
	s.moves++
	file := filepath.Join(s.dir, fmt.Sprint("copy", s.moves))
	if by != bySnapshot {
		return s.export(file, by == byMixture)
	}
	w := serveOne(s.doors[plainDoor], http.MethodGet, "/api/v1/admin/snapshot", "", make(http.Header))
	if w.Code != http.StatusOK {
		return fmt.Errorf("snapshot: got %d %q", w.Code, w.Body)
	}
	if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
		return err
	}
	return s.reopen(file)
}

// export writes a file of 1.11, which cannot have all that is exposed, and opens
// another gateway with it.
func (s *unbrokenSystem) export(file string, mix bool) error {
	groups := make(map[grouping.Key]*gateway.Group)
	if mix {
		s.mixed = s.mixed || len(s.gone) > 0
		maps.Copy(groups, s.gone)
	}
	for g := range s.server.Gateway.View().EachGroup("") {
		groups[g.Key] = g
	}
	s.gone = groups
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := errors.Join(gobfile.Write(f, sortedGroups(groups)), f.Close(), s.server.Close()); err != nil {
		return err
	}
	s.file = file
	return s.open()
}

func sortedGroups(groups map[grouping.Key]*gateway.Group) iter.Seq[*gateway.Group] {
	return func(yield func(*gateway.Group) bool) {
		for _, key := range slices.Sorted(maps.Keys(groups)) {
			if !yield(groups[key]) {
				return
			}
		}
	}
}

func (s *unbrokenSystem) send(r doorRequest) *httptest.ResponseRecorder {
	return serveOne(s.doors[r.door], r.method, r.path, r.body, r.header.Clone())
}

// request sends a request. If it is refused, it must not change what is exposed.
func (s *unbrokenSystem) request(r doorRequest) error {
	before := s.get(unbrokenFormat{scrapeFormat{protobufAsText, noEscaping}, ""}).Body.String()
	w := s.send(r)
	if err := r.verdict(w); err != nil {
		return err
	}
	if w.Code < 400 || r.method == http.MethodDelete || strings.Contains(r.path, "/api/") {
		return nil
	}
	after := s.get(unbrokenFormat{scrapeFormat{protobufAsText, noEscaping}, ""}).Body.String()
	if before, after := withoutTimes(before), withoutTimes(after); before != after {
		return fmt.Errorf("%v was answered %d %q, but changed what is exposed:\n%s", r, w.Code, w.Body, diffLines(strings.Split(after, "\n"), strings.Split(before, "\n")))
	}
	return nil
}

// verdict finds answers that no request should get.
func (r doorRequest) verdict(w *httptest.ResponseRecorder) error {
	if w.Code >= 500 || w.Code == http.StatusNotFound || w.Code == http.StatusMethodNotAllowed {
		return fmt.Errorf("%v was answered %d %q", r, w.Code, w.Body)
	}
	return nil
}
