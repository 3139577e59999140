package trouble_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/trouble"
)

var errFull = errors.New("no space left on device")

// TestWatch remembers what was wrong, and takes what comes back at once for the
// same.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var wrong *trouble.Finding
		set := func(f *trouble.Finding) {
			mu.Lock()
			defer mu.Unlock()
			wrong = f
		}
		w := trouble.NewWatch(func(time.Time) *trouble.Finding {
			mu.Lock()
			defer mu.Unlock()
			return wrong
		})
		defer w.Close()
		shown := func() (all []string) {
			for _, x := range w.Troubles() {
				until := "now"
				if x.Until != nil {
					until = x.Until.Sub(began).Round(5 * time.Second).String()
				}
				all = append(all, fmt.Sprintf("%s from %s to %s, %d refused", x.Summary, x.Since.Sub(began).Round(5*time.Second), until, x.Refused))
			}
			return all
		}
		for _, step := range []struct {
			finding *trouble.Finding
			want    string
		}{
			{nil, "[]"},
			{&trouble.Finding{Kind: trouble.Storage, Summary: "is full", Past: "was full", Refused: 3}, "[is full from 25s to now, 3 refused]"},
			{nil, "[was full from 25s to 45s, 3 refused]"},
			{&trouble.Finding{Kind: trouble.Storage, Summary: "is full", Past: "was full", Refused: 5}, "[is full from 25s to now, 5 refused]"},
			{&trouble.Finding{Kind: trouble.Config, Summary: "is bad", Past: "was bad"}, "[is bad from 1m30s to now, 0 refused was full from 25s to 1m30s, 5 refused]"},
		} {
			set(step.finding)
			time.Sleep(22 * time.Second) // looks are every 5 s
			synctest.Wait()
			if got := fmt.Sprint(shown()); got != step.want {
				t.Errorf("got %s, want %s", got, step.want)
			}
		}
		set(nil)
		for i := range 30 {
			set(&trouble.Finding{Kind: trouble.Limit, Summary: "is over", Past: "was over", Refused: i})
			time.Sleep(10 * time.Second)
			set(nil)
			time.Sleep(5 * time.Minute)
		}
		if got := shown(); len(got) != 20 || got[0] == got[1] {
			t.Errorf("%d are remembered: %v", len(got), got)
		}
	})
}
