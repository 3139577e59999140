package httpapi

import (
	"sync"
	"time"
)

const (
	// activityStep is the time over which pushes are counted together.
	activityStep = 5 * time.Second
	// activitySteps is how many steps are kept.
	activitySteps = 120
)

// activity counts the pushes of the last minutes. It is safe for concurrent
// use, and its zero value is ready.
type activity struct {
	mu    sync.Mutex
	steps [activitySteps + 1]activityCount // a ring; one step is still being counted
}

// activityCount holds the counts of one step.
type activityCount struct {
	step              int64 // its number since 1970
	accepted, refused int
}

// activityJSON is the activity for the page: counts per step, oldest first.
type activityJSON struct {
	Begin   time.Time `json:"begin"` // of counting; nothing is known of steps before
	End     time.Time `json:"end"`
	Step    float64   `json:"step_seconds"`
	Pushes  []int     `json:"pushes"` // without refused pushes
	Refused []int     `json:"refused"`
}

func stepOf(t time.Time) int64 { return t.UnixNano() / int64(activityStep) }

// note counts a push.
func (a *activity) note(now time.Time, accepted bool) {
	step := stepOf(now)
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &a.steps[step%int64(len(a.steps))]
	if c.step != step {
		*c = activityCount{step: step}
	}
	if accepted {
		c.accepted++
		return
	}
	c.refused++
}

// recent returns the completed steps.
func (a *activity) recent(now time.Time) activityJSON {
	end := stepOf(now)
	j := activityJSON{
		End:     time.Unix(0, end*int64(activityStep)).UTC(),
		Step:    activityStep.Seconds(),
		Pushes:  make([]int, activitySteps),
		Refused: make([]int, activitySteps),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range j.Pushes {
		step := end - activitySteps + int64(i)
		if c := a.steps[step%int64(len(a.steps))]; c.step == step {
			j.Pushes[i], j.Refused[i] = c.accepted, c.refused
		}
	}
	return j
}
