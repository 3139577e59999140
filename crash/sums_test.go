package crash_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// addend is a push that adds up, with a key.
type addend struct {
	key string
	n   int
}

// TestKillSums kills the gateway while clients add to one group, each push with a
// key. They send what was not answered again after the start, and some of what
// was. In the end each push has counted once.
func TestKillSums(t *testing.T) {
	t.Parallel()
	const clients = 8
	r := randomness(t)
	file := filepath.Join(t.TempDir(), "journal")
	pending := make([][]addend, clients) // to be sent again
	want, sent := 0, 0
	for range min(*rounds, 25) {
		s := start(t, file)
		var all sync.WaitGroup
		added := make([]int, clients)
		for c := range clients {
			own := rand.New(rand.NewPCG(r.Uint64(), 0))
			all.Go(func() { pending[c], added[c] = s.addUp(own, pending[c], fmt.Sprint(c, "-", sent)) })
		}
		time.Sleep(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
		s.Kill()
		all.Wait()
		for _, n := range added {
			want += n
		}
		sent++
	}
	s := start(t, file)
	for _, left := range pending {
		for _, a := range left {
			if status, err := s.add(http.DefaultClient, a); err != nil || status != http.StatusOK {
				t.Fatalf("got %d, %v", status, err)
			}
		}
	}
	if got := s.sum(); got != want {
		t.Errorf("the sum is %d, want %d", got, want)
	}
	t.Logf("the sum is %d", want)
}

// addUp sends pushes until the gateway is gone, first those of before. It returns
// what to send again, and what the new ones add.
func (s *server) addUp(r *rand.Rand, before []addend, name string) (again []addend, added int) {
	via := &http.Client{Timeout: testproc.Patience, Transport: new(http.Transport)}
	defer via.CloseIdleConnections()
	for i := 0; ; i++ {
		var a addend
		if len(before) > 0 {
			a, before = before[0], before[1:]
		} else {
			a = addend{fmt.Sprint(name, "-", i), 1 + r.IntN(100)}
			added += a.n
		}
		status, err := s.add(via, a)
		if err != nil || r.IntN(8) == 0 { // also some that were answered
			again = append(again, a)
		}
		if err != nil {
			return append(again, before...), added
		}
		if status != http.StatusOK {
			s.t.Errorf("got %d", status)
		}
	}
}

func (s *server) add(via *http.Client, a addend) (status int, err error) {
	body := fmt.Sprintf("# TYPE crash_sum_total counter\ncrash_sum_total %d\n", a.n)
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr+"/metrics/job/crash?merge=sum", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Idempotency-Key", strconv.Quote(a.key))
	res, err := via.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// sum returns the value of the counter.
func (s *server) sum() int {
	s.t.Helper()
	a, err := ask(client, http.MethodGet, "http://"+s.Addr+"/metrics", "")
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(a.body, "\ncrash_sum_total{")
	_, value, _ := strings.Cut(rest, "} ")
	value, _, _ = strings.Cut(value, "\n")
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return int(n)
}

// TestFaultSums makes syncs fail now and then while clients add to one group. They
// send each push until it is taken. Each counts once, also after a kill.
func TestFaultSums(t *testing.T) {
	t.Parallel()
	needStrace(t)
	const clients, pushes = 8, 20
	file := filepath.Join(t.TempDir(), "journal")
	s := start(t, file)
	trace := s.attach("-e", "trace="+calls, "-e", "inject=fdatasync:error=EIO:when=3+23")
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range pushes {
				s.insist(addend{fmt.Sprint(c, "-", i), 1})
			}
		})
	}
	all.Wait()
	if len(trace.injected()) == 0 {
		t.Error("no sync has failed")
	}
	trace.detach()
	if got := s.sum(); got != clients*pushes {
		t.Errorf("the sum is %d, want %d", got, clients*pushes)
	}
	s.Kill()
	s = start(t, file)
	for c := range clients {
		s.insist(addend{fmt.Sprint(c, "-", pushes-1), 1})
	}
	if got := s.sum(); got != clients*pushes {
		t.Errorf("the sum is %d after a restart and retries, want %d", got, clients*pushes)
	}
}

// insist sends a push until it is taken.
func (s *server) insist(a addend) {
	s.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		status, err := s.add(http.DefaultClient, a)
		if err == nil && status == http.StatusOK {
			return
		}
		if err != nil || status != http.StatusServiceUnavailable {
			s.t.Errorf("got %d, %v", status, err)
			return
		}
	}
	s.t.Error("the push is not taken")
}
