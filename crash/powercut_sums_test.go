package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
)

// TestPowerCutSums cuts the power after each call of a gateway to which clients
// add, each push with a key. On each disk every key that was answered has counted,
// none that was not sent has, and the sums are those of the keys: a push and its
// key are both there, or neither is.
func TestPowerCutSums(t *testing.T) {
	needStrace(t)
	const clients, pushes = 4, 12
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
						if status, err := s.add(client, addend{fmt.Sprint(c, "-", i), 1}); err != nil || status != http.StatusOK {
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
			if err != nil {
				t.Fatalf("after %d answers, at %s(%s: %v", len(answered), c.name, c.args, err)
			}
			if got["total"] != keys || got["classic"] != keys || got["native"] != keys || keys < len(answered) || keys > len(sent) {
				t.Fatalf("%d keys were answered and %d sent; there are %d, with the sums %v", len(answered), len(sent), keys, got)
			}
		}
	}
	t.Logf("%d calls, %d disks", len(calls), disks)
	return len(answered)
}

// countedIn returns how much each sum of a journal has counted, and how many keys
// it has.
func countedIn(path string) (sums map[string]int, keys int, err error) {
	sums = make(map[string]int)
	s, err := boltjournal.Read(context.Background(), path, func(batch []gateway.Applied) {
		for _, a := range batch {
			keys += len(a.Receipts)
			if a.Group == nil {
				continue
			}
			for series := range a.Group.Find("crash_sum_total").EachSeries {
				sums["total"] = int(series.Value)
			}
			for _, kind := range []string{"classic", "native"} {
				for series := range a.Group.Find("crash_sum_" + kind).EachSeries {
					sums[kind] = int(series.Histogram.Count.Value())
				}
			}
		}
	})
	if err == nil && len(s.Faults) > 0 {
		err = fmt.Errorf("%s", s.Faults[0])
	}
	return sums, keys, err
}
