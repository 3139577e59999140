package gateway

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSeriesEndMeanwhile lets all series of a family end while a push that brings
// them again is on its way to the journal. The index must know them afterwards, or
// another group could expose the same.
func TestSeriesEndMeanwhile(t *testing.T) {
	for _, mode := range []Mode{Sum, MergeSeries} {
		for _, shapes := range []int{1, maxWalked + 1} {
			for _, rival := range []string{"meanwhile", "later"} {
				t.Run(fmt.Sprint(mode, shapes, rival), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { endSeriesMeanwhile(t, mode, shapes, rival == "later") })
				})
			}
		}
	}
}

func endSeriesMeanwhile(t *testing.T, mode Mode, shapes int, later bool) {
	j, now := new(hooked), time.Unix(1_700_000_000, 0)
	g, err := Open(t.Context(), Config{Journal: j, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	push := func(key, text string, mode Mode, ttl time.Duration) error {
		p := labelled(t, key, text)
		p.Mode, p.SeriesTTL = mode, ttl
		return g.Push(t.Context(), p)
	}
	for i := range shapes {
		if err := push(fmt.Sprint("k", i), "m 1\n", Replace, 0); err != nil {
			t.Fatal(err)
		}
	}
	const shared = "# TYPE m untyped\nm{l1=\"x\",l2=\"x\"} 1\n"
	rival := func() error { return push("l2", shared, Replace, 0) }
	if err := push("l1", "keep 1\n", Sum, 0); err != nil {
		t.Fatal(err)
	}
	if err := push("l1", shared, Sum, time.Hour); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour - 1)
	j.before = func() {
		now = now.Add(time.Hour)
		g.View()
		g.sweep()
		if !later {
			_ = rival()
		}
	}
	if err := push("l1", shared, mode, 0); err != nil {
		t.Fatal(err)
	}
	if err := rival(); later && err == nil {
		t.Error("a series that another group has was stored")
	}
	exposed := 0
	for _, b := range g.View().Family("m").Blocks() {
		exposed += strings.Count(string(b.Text()), `l1="x"`)
	}
	if exposed > 1 {
		t.Errorf("the same series is exposed %d times", exposed)
	}
}
