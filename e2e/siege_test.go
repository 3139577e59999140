package e2e

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/natstest"
	"pushgateway/internal/testproc"
)

var siegeTime = flag.Duration("siege", 20*time.Second, "how long TestSiege lets servers and gateways fail")

const (
	besiegedServers = 3
	besiegedMembers = 3
)

// TestSiege changes groups through several gateways, while these and the NATS
// servers are killed, paused and cut off. What clients saw must be explainable
// by one order of the changes of each group, gateways must agree, and scrapes
// must go on.
func TestSiege(t *testing.T) {
	if !natstest.Apart(t) {
		return
	}
	s := newSiege(t)
	stop := make(chan struct{})
	var clients, disturbances sync.WaitGroup
	for id := range 2 * besiegedMembers {
		clients.Go(func() { s.client(id, stop) })
	}
	for _, m := range s.members {
		clients.Go(func() { m.watch(stop) })
	}
	disturbances.Go(func() { s.disturb(s.troublesOfServers(), stop) })
	disturbances.Go(func() { s.disturb(s.troublesOfMembers(), stop) })
	clients.Go(func() { s.turn(stop) })
	time.Sleep(*siegeTime)
	close(stop)
	disturbances.Wait()
	clients.Wait()
	s.settle()
	s.history.check(t)
	s.agree()
}

// siege is some gateways that share their groups through some NATS servers, each
// on a host of its own.
type siege struct {
	t       *testing.T
	net     *natstest.Network
	servers *natstest.Processes
	members []*besieged
	history *history
	seen    *sightings
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	net := natstest.NewNetwork(t, besiegedServers+besiegedMembers+1)
	s := &siege{
		t: t, net: net, servers: natstest.LaunchOn(t, net, besiegedServers),
		history: newHistory(), seen: newSightings(),
	}
	for i := range besiegedMembers {
		s.members = append(s.members, s.newMember(besiegedServers+i))
	}
	return s
}

// newMember starts a gateway on a host.
func (s *siege) newMember(host int) *besieged {
	s.t.Helper()
	m := &besieged{siege: s, host: host}
	m.start()
	return m
}

// besieged is a gateway that may be killed and started again.
type besieged struct {
	*siege
	host int

	mu    sync.Mutex
	s     *server
	hurt  bool // it is paused or killed
	lives int  // how often it was started or hurt
}

func (m *besieged) start() {
	m.t.Helper()
	args := append([]string{"--web.listen-address=" + m.net.Address(m.host) + ":9091"}, clusterArgs(m.servers, "S")...)
	p := testproc.Launch(m.t, m.net.Command(m.host, binary, args...))
	if !p.AwaitListening() {
		m.t.Fatalf("a gateway ended\n%s", p.Log)
	}
	m.mu.Lock()
	m.s = &server{t: m.t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
	m.mu.Unlock()
	m.setHurt(false)
}

func (m *besieged) setHurt(hurt bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hurt = hurt
	m.lives++
}

// state returns the gateway, and what tells whether it was hurt meanwhile.
func (m *besieged) state() (s *server, hurt bool, lives int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.s, m.hurt, m.lives
}

// do sends a request, which may get no answer.
func (m *besieged) do(method, path, body string, header ...string) (answer, error) {
	s, _, _ := m.state()
	return s.try(method, path, body, header...)
}

// watch scrapes a gateway until stop is closed. It must always answer, and never
// go back.
func (m *besieged) watch(stop chan struct{}) {
	var last uint64
	life, ready := 0, false
	for pauseFor(50*time.Millisecond, stop) {
		s, hurt, lives := m.state()
		if hurt {
			continue
		}
		if lives != life {
			last, life, ready = 0, lives, false
		}
		for _, path := range []string{"/-/ready", "/metrics?own=false"} {
			a, err := s.try(http.MethodGet, path, "")
			if _, hurt, now := m.state(); hurt || now != lives {
				break
			}
			if !ready && (err != nil || a.status != http.StatusOK) {
				break // it may be starting
			}
			if err != nil || a.status != http.StatusOK {
				m.t.Errorf("%s of %s: %v %d %s\n%s", path, s.addr, err, a.status, clip(a.body), s.log)
				return
			}
			if path == "/-/ready" {
				continue
			}
			ready = true
			revision := m.seen.note(m.t, a)
			if revision < last {
				m.t.Errorf("scrapes of %s go back from %d to %d", s.addr, last, revision)
			}
			last = revision
		}
	}
}

// pauseFor returns false if stop is closed.
func pauseFor(d time.Duration, stop chan struct{}) bool {
	select {
	case <-stop:
		return false
	case <-time.After(d):
		return true
	}
}

// trouble is something that goes wrong for a while.
type trouble func(stop chan struct{})

func (s *siege) troublesOfServers() map[string]trouble {
	return map[string]trouble{
		"a server killed": s.killServer, "a server paused": s.pauseServer, "all servers killed": s.killServers,
		"a server cut off": s.cutServer, "a server deaf": s.deafen,
	}
}

func (s *siege) troublesOfMembers() map[string]trouble {
	return map[string]trouble{
		"a gateway killed": s.killMember, "a gateway paused": s.pauseMember, "a gateway stopped": s.stopMember,
		"a gateway cut off": s.cutMember,
	}
}

// disturb makes trouble, one kind after another, until stop is closed.
func (s *siege) disturb(kinds map[string]trouble, stop chan struct{}) {
	names := slices.Sorted(maps.Keys(kinds))
	for i := 0; pauseFor(briefly(1500), stop); i++ {
		if i%len(names) == 0 {
			rand.Shuffle(len(names), func(a, b int) { names[a], names[b] = names[b], names[a] })
		}
		name := names[i%len(names)]
		s.history.note(name)
		kinds[name](stop)
	}
}

// briefly returns some time around a number of milliseconds. In a long run it is
// now and then long.
func briefly(ms int) time.Duration {
	if *siegeTime > 2*time.Minute && rand.IntN(12) == 0 {
		ms *= 5
	}
	return time.Duration(ms/5+rand.IntN(ms)) * time.Millisecond
}

// victim returns a server, more often than not the leader.
func (s *siege) victim() int {
	if leader := s.servers.Leader("S"); leader >= 0 && rand.IntN(4) > 0 {
		return leader
	}
	return rand.IntN(besiegedServers)
}

func (s *siege) killServer(stop chan struct{}) {
	i := s.victim()
	s.servers.Kill(i)
	pauseFor(briefly(3000), stop)
	s.servers.Run(i)
}

func (s *siege) killServers(stop chan struct{}) {
	for i := range besiegedServers {
		s.servers.Kill(i)
	}
	pauseFor(briefly(1000), stop)
	for i := range besiegedServers {
		s.servers.Run(i)
		pauseFor(briefly(500), stop)
	}
}

func (s *siege) pauseServer(stop chan struct{}) {
	i := s.victim()
	s.servers.Pause(i)
	pauseFor(briefly(8000), stop)
	s.servers.Resume(i)
}

func (s *siege) anyMember() *besieged { return s.members[rand.IntN(len(s.members))] }

func (s *siege) killMember(stop chan struct{}) {
	m := s.anyMember()
	m.setHurt(true)
	m.s.proc.Kill()
	pauseFor(briefly(1000), stop)
	m.start()
}

func (s *siege) stopMember(stop chan struct{}) {
	m := s.anyMember()
	m.setHurt(true)
	m.s.proc.Stop()
	pauseFor(briefly(200), stop)
	m.start()
}

func (s *siege) pauseMember(stop chan struct{}) {
	m := s.anyMember()
	m.setHurt(true)
	m.signal(stopSignal)
	pauseFor(briefly(6000), stop)
	m.signal(goOnSignal)
	m.setHurt(false)
}

// cut drops all packets between hosts, or only those to the first ones, and lets
// them pass again after a while.
func (s *siege) cut(some, others []int, both bool, d time.Duration, stop chan struct{}) {
	each := func(do func(from, to int)) {
		for _, a := range some {
			for _, b := range others {
				do(b, a)
				if both {
					do(a, b)
				}
			}
		}
	}
	each(s.net.Drop)
	pauseFor(d, stop)
	each(s.net.Pass)
}

// cutMember cuts a gateway off from a server or from all of them.
func (s *siege) cutMember(stop chan struct{}) {
	servers := []int{0, 1, 2}
	if rand.IntN(2) == 0 {
		servers = []int{s.victim()}
	}
	s.cut([]int{s.anyMember().host}, servers, rand.IntN(2) == 0, briefly(6000), stop)
}

// cutServer cuts a server off from the others, but not from the gateways.
func (s *siege) cutServer(stop chan struct{}) {
	i := s.victim()
	s.cut([]int{i}, []int{(i + 1) % 3, (i + 2) % 3}, true, briefly(8000), stop)
}

// deafen lets a server hear nothing of the others, which hear it.
func (s *siege) deafen(stop chan struct{}) {
	i := s.victim()
	s.cut([]int{i}, []int{(i + 1) % 3, (i + 2) % 3}, false, briefly(6000), stop)
}

// settle waits until everything works again, and reads all groups at each
// gateway, and at one that has just started.
func (s *siege) settle() {
	s.t.Helper()
	s.members = append(s.members, s.newMember(besiegedServers+besiegedMembers))
	for _, m := range s.members {
		m.s.recovers()
	}
	for id, m := range s.members {
		if !s.read(m, id, s.history.all()) {
			s.t.Errorf("%s cannot be read", m.s.addr)
		}
	}
}

// agree waits until all gateways expose the same.
func (s *siege) agree() {
	s.t.Helper()
	var all []string
	s.members[0].s.eventually("the same scrapes", func() bool {
		all = nil
		for _, m := range s.members {
			a := m.s.get("/metrics?own=false")
			s.seen.note(s.t, a)
			all = append(all, a.header.Get("X-Pushgateway-Revision")+a.body)
		}
		return len(slices.Compact(all)) == 1 && !strings.Contains(all[0][:20], "+")
	})
	s.t.Logf("%d scrapes were compared with one of the same revision", s.seen.compared)
}

// sightings are what scrapes have shown. It is safe for concurrent use.
type sightings struct {
	mu       sync.Mutex
	bodies   map[string]string // by revision, for a while
	order    []string
	compared int
}

func newSightings() *sightings { return &sightings{bodies: make(map[string]string)} }

// note compares a scrape with others of the same revision.
func (s *sightings) note(t *testing.T, a answer) (revision uint64) {
	name := a.header.Get("X-Pushgateway-Revision")
	if _, err := fmt.Sscan(strings.TrimSuffix(name, "+"), &revision); err != nil {
		t.Errorf("the revision %q: %v", name, err)
	}
	if strings.HasSuffix(name, "+") {
		return revision
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.bodies[name]
	if known && before != a.body {
		t.Errorf("two scrapes with the revision %s differ:\n%s\n%s", name, before, a.body)
	}
	if known {
		s.compared++
		return revision
	}
	s.bodies[name] = a.body
	if s.order = append(s.order, name); len(s.order) > 1000 {
		delete(s.bodies, s.order[0])
		s.order = s.order[1:]
	}
	return revision
}
