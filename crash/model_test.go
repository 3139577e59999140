package crash

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// group is the present state of one group: what value each family has. Nil is
// no group. All series of a push have the same value, so that half a push
// shows.
type group map[string]int

// What a push of a family consists of.
var families = map[string]string{
	"crash_a": "# TYPE crash_a gauge\ncrash_a{i=\"0\"} %[1]d\ncrash_a{i=\"1\"} %[1]d\ncrash_a{i=\"2\"} %[1]d\n",
	"crash_b": "# TYPE crash_b counter\ncrash_b{i=\"0\"} %[1]d\ncrash_b{i=\"1\"} %[1]d\n",
}

// lines is how many of them a scrape shows of each.
var lines = map[string]int{"crash_a": 3, "crash_b": 2}

func body(names []string, value int) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, families[name], value)
	}
	return b.String()
}

// model is what must be there. Each group belongs to one client.
type model struct {
	mu    sync.Mutex
	known map[string]group   // as answered last
	doubt map[string][]group // what it may be as well
}

func newModel() *model {
	return &model{known: make(map[string]group), doubt: make(map[string][]group)}
}

// change is one request and what it makes of a group.
type change struct {
	method, body string
	after        func(group) group
}

func put(value int) change {
	names := []string{"crash_a", "crash_b"}
	return change{http.MethodPut, body(names, value), func(group) group { return group{"crash_a": value, "crash_b": value} }}
}

func post(value int) change {
	return change{http.MethodPost, body([]string{"crash_b"}, value), func(g group) group {
		after := group{"crash_b": value}
		if a, ok := g["crash_a"]; ok {
			after["crash_a"] = a
		}
		return after
	}}
}

func end() change {
	return change{http.MethodDelete, "", func(group) group { return nil }}
}

func randomChange(r *rand.Rand, value int) change {
	switch n := r.IntN(10); {
	case n < 5:
		return put(value)
	case n < 9:
		return post(value)
	default:
		return end()
	}
}

// send makes a change and notes what became of it. While it is under way, and
// if it was not answered or refused by the journal, both states are possible.
func (m *model) send(s *server, name string, c change) (status int, answer string, err error) {
	m.mu.Lock()
	before := m.known[name]
	after := c.after(before)
	m.doubt[name] = append(m.doubt[name], after)
	m.mu.Unlock()
	status, answer, err = s.do(c.method, "/metrics/job/"+name, c.body)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && (status == http.StatusOK || status == http.StatusAccepted) {
		m.known[name] = after
		delete(m.doubt, name)
	}
	return status, answer, err
}

// settle forgets doubts: they turned out not to have happened, as a scrape of
// the running gateway has shown, and never will.
func (m *model) settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doubt = make(map[string][]group)
}

var line = regexp.MustCompile(`(?m)^(crash_\w)\{.*job="([^"]+)".*\} (\S+)$`)

// read takes the groups out of a scrape.
func read(scrape string) (groups map[string]group, err error) {
	groups = make(map[string]group)
	count := make(map[string]int)
	for _, m := range line.FindAllStringSubmatch(scrape, -1) {
		family, job := m[1], m[2]
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return nil, err
		}
		g := groups[job]
		if g == nil {
			g = make(group)
			groups[job] = g
		}
		if old, ok := g[family]; ok && old != int(value) {
			return nil, fmt.Errorf("half a push: %s of %s has both %d and %v", family, job, old, value)
		}
		g[family] = int(value)
		count[family+" of "+job]++
	}
	for job, g := range groups {
		for family := range g {
			if n := count[family+" of "+job]; n != lines[family] {
				return nil, fmt.Errorf("half a push: %s of %s has %d series", family, job, n)
			}
		}
	}
	return groups, nil
}

// compare finds a group that is neither as it was answered, nor as it may be.
// What is there is what is known from then on.
func (m *model) compare(found map[string]group) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range found {
		if _, ok := m.known[name]; !ok && m.doubt[name] == nil {
			return fmt.Errorf("group %s is there, and nobody has pushed it", name)
		}
	}
	names := make(map[string]bool)
	for name := range m.known {
		names[name] = true
	}
	for name := range m.doubt {
		names[name] = true
	}
	for name := range names {
		if !m.allows(name, found[name]) {
			return fmt.Errorf("group %s has %v; answered was %v, possible would be %v", name, found[name], m.known[name], m.doubt[name])
		}
	}
	m.known = found
	m.doubt = make(map[string][]group)
	return nil
}

func (m *model) allows(name string, found group) bool {
	if maps.Equal(found, m.known[name]) {
		return true
	}
	for _, g := range m.doubt[name] {
		if maps.Equal(found, g) {
			return true
		}
	}
	return false
}

// check compares the model with a scrape.
func (m *model) check(s *server) {
	s.t.Helper()
	status, scrape := s.get("/metrics")
	if status != http.StatusOK {
		s.t.Fatalf("scrape: %d %s", status, scrape)
	}
	found, err := read(scrape)
	if err == nil {
		err = m.compare(found)
	}
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.log)
	}
}
