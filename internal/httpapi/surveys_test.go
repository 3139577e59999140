package httpapi

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// many returns a gateway, and a function that makes so many more groups.
func many(t *testing.T) (g *gateway.Gateway, push func(int)) {
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() }) // nothing can be lost
	groups := 0
	return g, func(n int) {
		for range n {
			groups++
			key, err := grouping.NewKey(fmt.Sprint(groups))
			if err == nil {
				err = g.Push(t.Context(), gateway.Push{Key: key})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSurveysAreShared counts how often all groups are looked at.
func TestSurveysAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, push := many(t)
		var takes time.Duration
		s := newSurveys(func(v *gateway.View, now time.Time) overview {
			time.Sleep(takes)
			return *look(g, v, now)
		})
		for _, step := range []struct {
			name  string
			do    func()
			anew  bool
			known int // groups
		}{
			{"the first", func() { push(1) }, true, 1},
			{"nothing has changed", func() {}, false, 1},
			{"a second later", func() { time.Sleep(time.Second) }, true, 1},
			{"a group more", func() { push(1) }, true, 2},
			{"many groups more, a second later", func() { push(surveyLarge); time.Sleep(time.Second) }, true, surveyLarge + 2},
			{"one more than many", func() { push(1) }, false, surveyLarge + 2},
			{"a second later, of many", func() { time.Sleep(time.Second) }, true, surveyLarge + 3},
			{"a slow one", func() { push(1); time.Sleep(time.Second); takes = time.Second / 10 }, true, surveyLarge + 4},
			{"over two seconds later", func() { push(1); time.Sleep(2300 * time.Millisecond) }, false, surveyLarge + 4},
			{"two and a half seconds later", func() { time.Sleep(200 * time.Millisecond); takes = time.Minute }, true, surveyLarge + 5},
			{"after one that was very slow", func() { time.Sleep(time.Millisecond) }, true, surveyLarge + 5},
		} {
			before := s.last
			step.do()
			o, _, _ := s.latest(t.Context(), g)
			if anew := s.last != before; anew != step.anew || o.Groups != step.known {
				t.Errorf("%s: made anew: %v, with %d groups; want %v, %d", step.name, anew, o.Groups, step.anew, step.known)
			}
		}
	})
}
