package crash_test

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// TestPowerCutSums cuts the power after each call of a gateway to which clients
// add, each push with a key. On each disk every key that was answered has counted,
// none that was not sent has, and the sums are those of the keys: a push and its
// key are both there, or neither is. Each push adds a power of two, so the sum says
// which have counted; the histograms are those that model/histogram makes of them.
func TestPowerCutSums(t *testing.T) {
	needStrace(t)
	const clients, pushes = 4, pushesOfEach
	r := randomness(t)
	file := filepath.Join(t.TempDir(), "journal")
	start(t, file).Stop()
	d := newDisk(map[string][]byte{file: readFile(t, file)})
	l := recorded(t, file, "", func(s *server, _ *life) {
		var all sync.WaitGroup
		for c := range clients {
			all.Go(func() {
				for i := range pushes {
					for range 1 + i%2 { // every second one again
						if status, err := s.add(client, addend{fmt.Sprint(c, "-", i), 1 << (c*pushes + i)}); err != nil || status != http.StatusOK {
							t.Errorf("got %d, %v", status, err)
						}
					}
				}
			})
		}
		all.Wait()
	})
	answered := cutSums(t, r, d, file, l.calls)
	if answered != clients*pushes {
		t.Errorf("%d keys were answered, want %d", answered, clients*pushes)
	}
}

// pushesOfEach is how many pushes each client makes.
const pushesOfEach = 12

var keyOfPush = regexp.MustCompile(numberHeader + `: (\d+-\d+)\r\n`)

// cutSums goes through calls and makes disks for each moment. It returns how many
// keys were answered in the end.
func cutSums(t *testing.T, r *rand.Rand, d *disk, file string, calls []call) int {
	t.Helper()
	left, disks := filepath.Join(t.TempDir(), "left"), 0
	way, sent, answered := make(map[int64]string), make(map[string]bool), make(map[string]bool)
	d.open = make(map[int64]string)
	for _, c := range calls {
		switch m := keyOfPush.FindSubmatch(c.text); {
		case c.name == "read" && m != nil:
			way[c.numbers()[0]], sent[string(m[1])] = string(m[1]), true
		case c.name == "write" && c.isAnswer():
			if key := way[c.numbers()[0]]; key != "" {
				answered[key] = true
				delete(way, c.numbers()[0])
			}
		}
		if d.apply(c); !slices.Contains([]string{"pwrite64", "ftruncate", "fdatasync", "fsync", "renameat", "write"}, c.name) {
			continue
		}
		for range 2 {
			disks++
			if err := os.WriteFile(left, d.cut(r)[file], 0o600); err != nil {
				t.Fatal(err)
			}
			got, keys, err := countedIn(left)
			if err == nil {
				err = got.check(keys, answered, sent)
			}
			if err != nil {
				t.Fatalf("after %d answers, at %s(%s: %v", len(answered), c.name, c.args, err)
			}
		}
	}
	t.Logf("%d calls, %d disks", len(calls), disks)
	return len(answered)
}

// counted is what the sums of a journal have counted.
type counted struct {
	total           int
	classic, native *metric.Buckets
}

// countedIn returns what the sums of a journal have counted, and how many keys it
// has.
func countedIn(path string) (got counted, keys int, err error) {
	s, err := boltjournal.Read(context.Background(), path, func(batch []gateway.Applied) {
		for _, a := range batch {
			keys += len(a.Receipts)
			if a.Group == nil {
				continue
			}
			for series := range a.Group.Find("crash_sum_total").EachSeries {
				got.total = int(series.Value)
			}
			for series := range a.Group.Find("crash_sum_classic").EachSeries {
				got.classic = series.Histogram
			}
			for series := range a.Group.Find("crash_sum_native").EachSeries {
				got.native = series.Histogram
			}
		}
	})
	if err == nil && len(s.Faults) > 0 {
		err = fmt.Errorf("%s", s.Faults[0])
	}
	return got, keys, err
}

// check compares the sums with those of the pushes that are in the total.
func (c counted) check(keys int, answered, sent map[string]bool) error {
	want := &histogram.FloatHistogram{ZeroThreshold: 0.001}
	low, there := uint64(0), make(map[string]bool)
	for i := range bits.Len(uint(c.total)) {
		a := addend{fmt.Sprint(i/pushesOfEach, "-", i%pushesOfEach), 1 << i}
		if c.total&a.n == 0 {
			continue
		}
		there[a.key] = true
		one := &histogram.FloatHistogram{ZeroThreshold: 0.001, Count: 1, Sum: float64(a.n), PositiveSpans: []histogram.Span{{Offset: a.bucket(), Length: 1}}, PositiveBuckets: []float64{1}}
		if _, _, _, err := want.Add(one); err != nil {
			return err
		}
		if a.n <= half {
			low++
		}
	}
	switch {
	case keys != len(there):
		return fmt.Errorf("there are %d keys, and %d pushes in the sum", keys, len(there))
	case !isWithin(answered, there) || !isWithin(there, sent):
		return fmt.Errorf("%v were answered and %v sent, but %v are in the sum", answered, sent, there)
	case keys == 0:
		return nil
	}
	is := exposition.ToFloatHistogram(c.native)
	if !is.Compact(0).Equals(want.Compact(0)) {
		return fmt.Errorf("the native histogram is %v, want %v", is, want)
	}
	if c.classic.Count.Int != uint64(keys) || c.classic.Sum != want.Sum || c.classic.Classic[0].Count.Int != low {
		return fmt.Errorf("the classic histogram is %+v, want %d of %v, %d of them low", c.classic, keys, want.Sum, low)
	}
	return nil
}

// isWithin reports whether b has all keys of a.
func isWithin(a, b map[string]bool) bool {
	for key := range a {
		if !b[key] {
			return false
		}
	}
	return true
}
