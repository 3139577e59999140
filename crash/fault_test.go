package crash_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// fault is a way for the disk to fail.
type fault struct {
	call, errno, reason string
	grows               bool // the call is only made when the file grows
}

var faults = []fault{
	{"pwrite64", "EIO", "input/output error", false},
	{"pwrite64", "ENOSPC", "no space left on device", false},
	{"fdatasync", "EIO", "input/output error", false},
	{"ftruncate", "EFBIG", "file too large", true},
	{"ftruncate", "ENOSPC", "no space left on device", true},
	{"fsync", "EIO", "input/output error", true},
}

// TestFaultWhileServing makes the system calls of commits fail, one by one and
// for as long as it takes to look at the gateway meanwhile. Strace counts the
// calls of each thread by itself, so that which step of a commit fails is
// looked up afterwards: in the end every step must have.
func TestFaultWhileServing(t *testing.T) {
	t.Parallel()
	needStrace(t)
	r := randomness(t)
	var mu sync.Mutex
	hit := make(map[string]int)
	t.Run("faults", func(t *testing.T) {
		for _, f := range faults {
			for _, x := range f.variants() {
				x.seed = r.Uint64()
				t.Run(x.String(), func(t *testing.T) {
					t.Parallel()
					steps := x.run(t)
					mu.Lock()
					defer mu.Unlock()
					for _, step := range steps {
						hit[step]++
					}
				})
			}
		}
	})
	want := []string{"fdatasync of data", "fdatasync of meta", "fsync", "ftruncate", "pwrite64 of data", "pwrite64 of meta"}
	if got := slices.Sorted(maps.Keys(hit)); !t.Failed() && len(got) > 0 && !slices.Equal(got, want) {
		t.Errorf("steps that failed: %v, want %v", hit, want)
	}
	t.Logf("steps that failed, and how often: %v", hit)
}

// occurrence is a fault at a place in the sequence of calls.
type occurrence struct {
	fault
	at     int  // which of the calls of a thread fails
	lasts  bool // and all after it
	killed bool // the gateway is killed before the fault is over
	seed   uint64
}

// variants are the places that a fault is tried at.
func (f fault) variants() (all []occurrence) {
	most, lasting := 4, 2
	if f.grows {
		most, lasting = 1, 1
	}
	for at := 1; at <= most; at++ {
		for _, killed := range []bool{false, true} {
			all = append(all, occurrence{fault: f, at: at, killed: killed})
			if at <= lasting {
				all = append(all, occurrence{fault: f, at: at, killed: killed, lasts: true})
			}
		}
	}
	return all
}

func (x occurrence) String() string {
	s := fmt.Sprintf("%s %s %d", x.call, x.errno, x.at)
	if x.lasts {
		s += " and after"
	}
	if x.killed {
		s += " killed"
	}
	return s
}

func (x occurrence) inject() []string {
	when := fmt.Sprint(x.at)
	if x.lasts {
		when += "+"
	}
	return []string{"-e", "trace=" + calls, "-e", fmt.Sprintf("inject=%s:error=%s:when=%s", x.call, x.errno, when)}
}

// run gives the steps that failed.
func (x occurrence) run(t *testing.T) (steps []string) {
	r := rand.New(rand.NewPCG(x.seed, 0))
	file := filepath.Join(t.TempDir(), "journal")
	m := newModel(1, 8)
	s := start(t, file)
	for _, g := range m.groups[:4] {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: smallNames})
	}
	trace := s.attach(x.inject()...)
	x.provoke(s, m, r)
	m.compare(t, "after a refusal", s.scrape(), false)
	// What the file has room for already can be written while it cannot grow.
	if unready := s.checkReady(x.reason); !unready && x.lasts && x.at == 1 && !x.grows {
		t.Error("the gateway says that it takes pushes, though it does not")
	}
	x.endure(s, m, r, trace)
	m.compare(t, "after more refusals", s.scrape(), false)
	if x.killed {
		s.Kill()
		trace.detach()
		m.compare(t, "after a kill", start(t, file).scrape(), true)
		return trace.injected()
	}
	trace.detach()
	s.awaitWritable(m, x.reason)
	m.settle() // what was refused before that has not happened
	m.compare(t, "after the fault", s.scrape(), false)
	for _, g := range m.groups {
		s.must(randomChange(r, g, m.next()))
	}
	if !s.checkWritable() {
		t.Error("the gateway says that it takes no pushes, though it does")
	}
	s.Kill()
	got, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	m.compare(t, "in the file", got, false)
	m.compare(t, "after a start", start(t, file).scrape(), false)
	return trace.injected()
}

func (s *server) checkWritable() bool {
	s.t.Helper()
	return s.get("/-/ready?for=push").status == http.StatusOK
}

// pick gives a change that leads to the call which is to fail.
func (x occurrence) pick(m *model, r *rand.Rand) change {
	g := m.groups[r.IntN(len(m.groups))]
	if x.grows {
		return large(m, g)
	}
	return randomChange(r, g, m.next())
}

// provoke makes changes until one is refused, and then wants its group gone:
// if that is acknowledged, the group must not come back, even if there was
// nothing to delete.
func (x occurrence) provoke(s *server, m *model, r *rand.Rand) {
	s.t.Helper()
	const most = 200
	for range most {
		c := x.pick(m, r)
		if a := s.send(c); !a.taken(c) {
			s.checkRefusal(a, x.reason)
			s.send(change{group: c.group, method: http.MethodDelete, number: m.next()})
			return
		}
	}
	s.t.Fatalf("%d changes were taken, though the disk fails\n%s", most, s.Log)
}

// endure goes on with changes, if the fault lasts until the gateway has tried
// again in vain.
func (x occurrence) endure(s *server, m *model, r *rand.Rand, trace *tracer) {
	s.t.Helper()
	failures := len(trace.injected())
	deadline := time.Now().Add(testproc.Patience)
	for n := 0; n < 3 || x.lasts && len(trace.injected()) <= failures; n++ {
		c := x.pick(m, r)
		if a := s.send(c); !a.taken(c) {
			s.checkRefusal(a, x.reason)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the gateway does not try again\n%s", s.Log)
		}
		time.Sleep(10 * time.Millisecond) // it tries once a second
	}
}

// TestFaultAtStart lets each system call of each kind of start fail, and kills
// the gateway at each. Either it starts nevertheless, with the right state, or
// it says why not; the next start finds its way in any case.
func TestFaultAtStart(t *testing.T) {
	t.Parallel()
	needStrace(t)
	all := beginnings(t)
	t.Run("faults", func(t *testing.T) {
		for _, b := range all {
			if b.name == "import utf8" {
				continue // makes the same calls as the other
			}
			for call, n := range b.count(t) {
				for _, how := range hows(call) {
					t.Run(strings.Join([]string{b.name, call, how}, " "), func(t *testing.T) {
						t.Parallel()
						for k := 1; k <= n; k++ {
							b.fault(t, call, how, k)
						}
					})
				}
			}
		}
	})
}

// hows are the ways in which a call goes wrong at a start.
func hows(call string) []string {
	if call == "pwrite64" || call == "ftruncate" {
		return []string{"error=ENOSPC", "signal=KILL"}
	}
	return []string{"error=EIO", "signal=KILL"}
}

// count tells how often a start makes each call, at least in one thread.
func (b *beginning) count(t *testing.T) map[string]int {
	t.Helper()
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	b.prepare(t, dir)
	b.start(t, dir, traced(log, "-e", "trace="+calls)...).Kill()
	n := make(map[string]int)
	for line := range strings.Lines(string(readFile(t, log))) {
		if m := callName.FindStringSubmatch(line); m != nil && !strings.Contains(line, "resumed>") {
			n[m[1]]++
		}
	}
	if n["fsync"] == 0 || n["pwrite64"] == 0 || n["renameat"]+n["rename"] == 0 {
		t.Fatalf("%s: a start makes none of some calls: %v", b.name, n)
	}
	return n
}

// fault lets the k-th call of a start go wrong.
func (b *beginning) fault(t *testing.T, call, how string, k int) {
	t.Helper()
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	b.prepare(t, dir)
	s := b.launch(t, dir, traced(log, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", call, how, k))...)
	ready := s.awaitReady()
	if ready && how == "signal=KILL" && k == 1 {
		t.Errorf("the gateway was not killed at its first %s", call)
	}
	switch {
	case ready:
		if got := b.sees(s); got != b.state {
			t.Errorf("the start went on after call %d, with\n%s\nwant\n%s\n%s", k, clip(got), clip(b.state), s.Log)
		}
		s.Kill()
	case how == "signal=KILL":
		s.Kill() // it has ended
	default:
		s.AwaitExit(1)
		reason := map[string]string{"error=EIO": "input/output error", "error=ENOSPC": "no space left on device"}[how]
		if log := s.Log.String(); !strings.Contains(log, reason) || !strings.Contains(log, filepath.Join(dir, b.file)) {
			t.Errorf("the start failed at call %d without saying why, %q, and with which file\n%s", k, reason, log)
		}
	}
	b.check(t, dir)
}

// TestUnsyncedNameOfCompacted lets each fsync of a start fail that makes the
// journal smaller. If that is the one which makes the name of the new file
// durable, another must follow before a push is answered: a power cut would
// bring back the old file.
func TestUnsyncedNameOfCompacted(t *testing.T) {
	t.Parallel()
	needStrace(t)
	b := compaction(t)
	// Strace counts the calls of each thread, and the runtime chooses the thread. So
	// the call that matters may be missed.
	const attempts = 5
	unsynced := 0
	for i := 0; unsynced == 0 && i < attempts; i++ {
		unsynced = b.failSyncs(t)
	}
	if unsynced == 0 {
		t.Error("no fsync has failed behind the renaming")
	}
}

// failSyncs starts the gateway once for each fsync, which fails, and pushes. It
// returns how often that was one behind the renaming.
func (b *beginning) failSyncs(t *testing.T) (unsynced int) {
	t.Helper()
	const more = 2 // how many syncs a start has depends on what it writes together
	for k := range b.count(t)["fsync"] + more {
		dir, log := t.TempDir(), filepath.Join(t.TempDir(), "trace")
		b.prepare(t, dir)
		s := b.start(t, dir, traced(log, "-y", "-e", "trace=fsync,rename,renameat,renameat2", "-e", fmt.Sprintf("inject=fsync:error=EIO:when=%d", k+1))...)
		s.awaitWritable(newModel(1, 1), "input/output error")
		s.Kill()
		_, after, renamed := strings.Cut(string(readFile(t, log)), journal+`") = 0`)
		if _, after, failed := strings.Cut(after, "(INJECTED)"); renamed && failed {
			unsynced++
			if !regexp.MustCompile(`fsync\(\d+<` + regexp.QuoteMeta(dir) + `>\) += 0`).MatchString(after) {
				t.Errorf("a push was answered although the name of the new file is not on disk\n%s", s.Log)
			}
		}
	}
	return unsynced
}

// TestFaultAtEnd ends a gateway in order while the disk fails: it says that
// not all is on disk, and exits with 1.
func TestFaultAtEnd(t *testing.T) {
	t.Parallel()
	needStrace(t)
	for _, interval := range []string{"0s", "1h"} {
		t.Run(interval, func(t *testing.T) {
			s := startEvery(t, interval)
			m := newModel(1, 1)
			trace := s.attach("-e", "trace="+calls, "-e", "inject=pwrite64:error=EIO")
			defer trace.detach()
			if a := s.send(change{group: m.groups[0], method: http.MethodPut, number: m.next(), families: smallNames}); interval == "0s" {
				s.checkRefusal(a, "input/output error")
			}
			if err := s.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			s.AwaitExit(1)
			if log := s.Log.String(); !strings.Contains(log, "not on disk") || !strings.Contains(log, "input/output error") {
				t.Errorf("it does not say why\n%s", log)
			}
		})
	}
}

// startEvery runs a gateway with a --persistence.interval.
func startEvery(t *testing.T, interval string) *server {
	t.Helper()
	cmd := command(filepath.Join(t.TempDir(), "journal"))
	cmd.Args = append(cmd.Args, "--persistence.interval="+interval)
	s := &server{testproc.Launch(t, cmd), t}
	if !s.awaitReady() {
		t.Fatalf("it exited at startup\n%s", s.Log)
	}
	return s
}

// TestFaultBetweenWrites makes the disk fail under a gateway that answers
// before it writes: it goes on taking pushes, and says that it cannot write.
func TestFaultBetweenWrites(t *testing.T) {
	t.Parallel()
	needStrace(t)
	s := startEvery(t, "20ms")
	m := newModel(1, 1)
	push := func() {
		s.must(change{group: m.groups[0], method: http.MethodPut, number: m.next(), families: smallNames})
	}
	push()
	trace := s.attach("-e", "trace="+calls, "-e", "inject=fdatasync:error=EIO")
	push()
	s.awaitLine("pushgateway_journal_writable 0")
	push()
	if !s.checkWritable() {
		t.Error("the gateway says that it takes no pushes, though it does")
	}
	const overview, trouble = "/api/v1/overview", `"error":"writing the journal `
	if body := s.get(overview).body; !strings.Contains(body, trouble) {
		t.Errorf("the overview does not say that the disk fails: %s", body)
	}
	trace.detach()
	s.awaitLine("pushgateway_journal_writable 1")
	if body := s.get(overview).body; strings.Contains(body, trouble) {
		t.Errorf("the overview still says that the disk fails: %s", body)
	}
}

// awaitLine scrapes until a line is there.
func (s *server) awaitLine(line string) {
	s.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); !strings.Contains(s.get("/metrics").body, line+"\n"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("there is no %q in what is scraped\n%s", line, s.Log)
		}
	}
}
