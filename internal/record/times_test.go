package record_test

import (
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
	"pushgateway/internal/record"
)

// TestTimesOfFamilies checks that records keep wall clock times to the
// nanosecond.
func TestTimesOfFamilies(t *testing.T) {
	key, err := grouping.NewKey("a")
	if err != nil {
		t.Fatal(err)
	}
	block := exposition.RenderGauge("m", "", []metric.Label{{Name: "job", Value: "a"}}, 1)
	now := time.Now() // with a monotonic clock reading, which must be ignored
	for name, pushed := range map[string][2]time.Time{
		"before":         {now, now.Add(-time.Hour - 1)},
		"at once":        {now, now},
		"clock was set":  {now, time.Unix(0, now.UnixNano()+int64(time.Hour))},
		"group has none": {{}, now},
		"far apart":      {time.Unix(0, 1<<62), time.Unix(0, -1<<62)},
	} {
		g := gateway.Restore(gateway.Group{Key: key, Pushed: pushed[0], Families: []gateway.Held{{Block: block, Pushed: pushed[1]}}})
		rec := record.Encode(g)
		record.Seal(rec, key, 1)
		back, _, err := record.Decode(rec, key)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := back.Families[0].Pushed; !back.Pushed.Equal(pushed[0]) || !got.Equal(pushed[1].Round(0)) {
			t.Errorf("%s: got %v and %v, want %v and %v", name, back.Pushed, got, pushed[0], pushed[1])
		}
	}
}
