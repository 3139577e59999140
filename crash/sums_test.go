package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/testproc"
)

// addend is a push that adds up, with a key: n to a counter, and an observation of
// n to a classic histogram and to a native one.
type addend struct {
	key string
	n   int
}

// half is the bound of the classic histogram.
const half = 50

// families are what the push has.
func (a addend) families() []*dto.MetricFamily {
	classic := &dto.Histogram{SampleCount: proto.Uint64(1), SampleSum: proto.Float64(float64(a.n)), Bucket: []*dto.Bucket{{UpperBound: proto.Float64(half), CumulativeCount: proto.Uint64(0)}}}
	if a.n <= half {
		classic.Bucket[0].CumulativeCount = proto.Uint64(1)
	}
	native := &dto.Histogram{
		SampleCount: proto.Uint64(1), SampleSum: proto.Float64(float64(a.n)), Schema: proto.Int32(0), ZeroThreshold: proto.Float64(0.001),
		PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(a.bucket()), Length: proto.Uint32(1)}}, PositiveDelta: []int64{1},
	}
	one := func(name string, t dto.MetricType, m *dto.Metric) *dto.MetricFamily {
		return &dto.MetricFamily{Name: &name, Type: &t, Metric: []*dto.Metric{m}}
	}
	return []*dto.MetricFamily{
		one("crash_sum_total", dto.MetricType_COUNTER, &dto.Metric{Counter: &dto.Counter{Value: proto.Float64(float64(a.n))}}),
		one("crash_sum_classic", dto.MetricType_HISTOGRAM, &dto.Metric{Histogram: classic}),
		one("crash_sum_native", dto.MetricType_HISTOGRAM, &dto.Metric{Histogram: native}),
	}
}

// bucket is the index of the native bucket that n is in: the lowest with n <= 2^i.
func (a addend) bucket() int32 { return int32(bits.Len(uint(a.n - 1))) }

// tally are the sums of pushes, by what is counted.
type tally map[string]int

func (t tally) add(a addend) {
	t["total"] += a.n
	for _, h := range []string{"classic", "native"} {
		t[h+" sum"] += a.n
		t[h+" count"]++
	}
	t[fmt.Sprint("native ", a.bucket())]++
	if t["classic 50"] += 0; a.n <= half {
		t["classic 50"]++
	}
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
	want, sent := make(tally), 0
	for range min(*rounds, 25) {
		s := start(t, file)
		s.mayEnd(sent)
		var all sync.WaitGroup
		added := make([][]addend, clients)
		for c := range clients {
			own := rand.New(rand.NewPCG(r.Uint64(), 0))
			all.Go(func() { pending[c], added[c] = s.addUp(own, pending[c], fmt.Sprint(c, "-", sent)) })
		}
		time.Sleep(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
		s.Kill()
		all.Wait()
		for _, all := range added {
			for _, a := range all {
				want.add(a)
			}
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
	if got := s.sums(); !maps.Equal(got, want) {
		t.Errorf("the sums are %v, want %v", got, want)
	}
	t.Logf("the sums are %v", want)
}

// mayEnd adds to a series that soon ends, and looks that those of earlier rounds
// have ended.
func (s *server) mayEnd(round int) {
	s.t.Helper()
	const ttl = 20 * time.Millisecond
	if _, there := s.exposed()["crash_mortal"]; there {
		s.t.Error("a series is there after its time")
	}
	body := fmt.Sprintf("crash_mortal{round=\"%d\"} 1\n", round)
	a, err := ask(client, http.MethodPost, "http://"+s.Addr+"/metrics/job/crash?merge=sum", body, "X-Pushgateway-Series-TTL", ttl.String())
	if err != nil || a.status != http.StatusOK {
		s.t.Fatalf("got %d %q, %v", a.status, a.body, err)
	}
	time.Sleep(ttl)
}

// addUp sends pushes until the gateway is gone, first those of before. It returns
// what to send again, and what the new ones add.
func (s *server) addUp(r *rand.Rand, before []addend, name string) (again, added []addend) {
	via := &http.Client{Timeout: testproc.Patience, Transport: new(http.Transport)}
	defer via.CloseIdleConnections()
	for i := 0; ; i++ {
		var a addend
		if len(before) > 0 {
			a, before = before[0], before[1:]
		} else {
			a = addend{fmt.Sprint(name, "-", i), 1 + r.IntN(100)}
			added = append(added, a)
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
	var body bytes.Buffer
	for _, f := range a.families() {
		if _, err := protodelim.MarshalTo(&body, f); err != nil {
			return 0, err
		}
	}
	got, err := ask(via, http.MethodPost, "http://"+s.Addr+"/metrics/job/crash?merge=sum", body.String(),
		"Content-Type", delimited, "Idempotency-Key", strconv.Quote(a.key), numberHeader, a.key)
	return got.status, err
}

const delimited = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// exposed returns the families of a scrape.
func (s *server) exposed() map[string]*dto.MetricFamily {
	s.t.Helper()
	a, err := ask(client, http.MethodGet, "http://"+s.Addr+"/metrics", "", "Accept", delimited)
	if err != nil {
		s.t.Fatal(err)
	}
	all, in := make(map[string]*dto.MetricFamily), expfmt.NewDecoder(bytes.NewReader([]byte(a.body)), expfmt.ResponseFormat(a.header))
	for {
		f := new(dto.MetricFamily)
		if err := in.Decode(f); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			s.t.Fatal(err)
		}
		all[f.GetName()] = f
	}
}

// sums returns what has been added up.
func (s *server) sums() tally {
	s.t.Helper()
	families, got := s.exposed(), make(tally)
	metric := func(name string) *dto.Metric {
		if f := families[name]; f != nil && len(f.Metric) == 1 {
			return f.Metric[0]
		}
		s.t.Fatalf("%s does not have one series", name)
		return nil
	}
	got["total"] = int(metric("crash_sum_total").Counter.GetValue())
	classic, native := metric("crash_sum_classic").Histogram, metric("crash_sum_native").Histogram
	for name, h := range map[string]*dto.Histogram{"classic": classic, "native": native} {
		got[name+" sum"], got[name+" count"] = int(h.GetSampleSum()), int(h.GetSampleCount())
	}
	got["classic 50"] = int(classic.Bucket[0].GetCumulativeCount())
	index, n, deltas := int32(0), int64(0), native.PositiveDelta
	for _, span := range native.PositiveSpan {
		index += span.GetOffset()
		for range span.GetLength() {
			if n += deltas[0]; n != 0 {
				got[fmt.Sprint("native ", index)] = int(n)
			}
			index, deltas = index+1, deltas[1:]
		}
	}
	return got
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
	if got := s.sums()["total"]; got != clients*pushes {
		t.Errorf("the sum is %d, want %d", got, clients*pushes)
	}
	s.Kill()
	s = start(t, file)
	for c := range clients {
		s.insist(addend{fmt.Sprint(c, "-", pushes-1), 1})
	}
	if got := s.sums()["total"]; got != clients*pushes {
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
