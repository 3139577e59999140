// Package trouble knows what keeps a gateway from doing its work at present,
// since when, and what did before. Whoever knows about a part of the gateway
// provides a check of it.
package trouble

import (
	"slices"
	"sync"
	"time"
)

// Kind is the part of the gateway that is in trouble. There is one trouble of a
// kind at a time.
type Kind string

// The kinds.
const (
	Storage Kind = "storage" // changes cannot be stored
	Scrapes Kind = "scrapes" // nobody scrapes
	Config  Kind = "config"  // the configuration file could not be read again
	Restart Kind = "restart" // settings wait for a restart
	Cluster Kind = "cluster" // the gateway does not hear from its cluster
	Member  Kind = "member"  // another member of the cluster lags
	Limit   Kind = "limit"   // too much is stored
)

// Finding is what is wrong with a part of the gateway.
type Finding struct {
	Kind Kind
	// Summary is a sentence that says what is wrong, and where. Past says the same
	// once it is over.
	Summary, Past string
	// Reason is the error behind it, or "".
	Reason string
	// Advice says what to do.
	Advice string
	// Since is when it began. Zero means that it was not so at the look before.
	Since time.Time
	// Last is when it was last known to be so. Zero means at present.
	Last time.Time
	// Refused is how many pushes and deletes have been refused for troubles of this
	// kind since the process started.
	Refused int
}

// Check returns what is wrong, or nil. It must not wait.
type Check func(now time.Time) *Finding

// Trouble is what is or was wrong.
type Trouble struct {
	Kind    Kind       `json:"kind"`
	Since   time.Time  `json:"since"`
	Until   *time.Time `json:"until"`   // null while it goes on
	Summary string     `json:"summary"` // in the past tense once it is over
	Reason  string     `json:"reason,omitempty"`
	Advice  string     `json:"advice"`
	Refused int        `json:"requests_refused,omitempty"`

	past string
	last time.Time
	// refused and before are the numbers of refused requests of this kind at the
	// last look, and before the trouble began.
	refused, before int
}

const (
	// lookEvery is how often a watch looks by itself.
	lookEvery = 5 * time.Second
	// fresh is how old a look may be that answers a question.
	fresh = time.Second
	// pause is how soon a trouble must come again to be the same one.
	pause = time.Minute
	// maxPast is how many troubles that are over are remembered.
	maxPast = 20
)

// Watch looks at the parts of a gateway now and then, and remembers. It is safe
// for concurrent use. Close it when done.
type Watch struct {
	checks []Check
	now    func() time.Time
	stop   func()

	mu      sync.Mutex
	looked  time.Time
	present []Trouble    // in the order in which they began
	past    []Trouble    // latest first
	refused map[Kind]int // requests, in troubles that are over
}

// NewWatch returns a watch that looks by itself.
func NewWatch(checks ...Check) *Watch {
	w := &Watch{checks: checks, now: time.Now, refused: make(map[Kind]int)}
	stopped := make(chan struct{})
	w.stop = sync.OnceFunc(func() { close(stopped) })
	go w.watch(stopped)
	return w
}

func (w *Watch) watch(stopped <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.Troubles()
		case <-stopped:
			return
		}
	}
}

// Close ends looking. It may be called twice.
func (w *Watch) Close() { w.stop() }

// Troubles returns the troubles at present, in the order in which they began,
// and those that are over, latest first.
func (w *Watch) Troubles() []Trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.now(); now.Sub(w.looked).Abs() >= fresh {
		w.look(now)
	}
	return slices.Concat(w.present, w.past)
}

func (w *Watch) look(now time.Time) {
	w.looked = now
	found := make(map[Kind]bool)
	for _, check := range w.checks {
		if f := check(now); f != nil && !found[f.Kind] {
			found[f.Kind] = true
			w.note(f, now)
		}
	}
	w.present = slices.DeleteFunc(w.present, func(t Trouble) bool {
		if !found[t.Kind] {
			w.end(t)
		}
		return !found[t.Kind]
	})
}

// note keeps what was found: as news of a trouble, as one that has come back, or
// as a new one.
func (w *Watch) note(f *Finding, now time.Time) {
	fresh := Trouble{Kind: f.Kind, Since: f.Since, Summary: f.Summary, Reason: f.Reason, Advice: f.Advice, past: f.Past, last: f.Last, refused: f.Refused, before: w.refused[f.Kind]}
	if fresh.Since.IsZero() {
		fresh.Since = now
	}
	if fresh.last.IsZero() {
		fresh.last = now
	}
	same := func(t Trouble) bool { return t.Kind == f.Kind }
	if i := slices.IndexFunc(w.present, same); i >= 0 {
		w.present[i] = fresh.after(&w.present[i])
		return
	}
	if i := slices.IndexFunc(w.past, same); i >= 0 && fresh.Since.Sub(*w.past[i].Until) < pause {
		fresh = fresh.after(&w.past[i])
		w.past = slices.Delete(w.past, i, i+1)
	}
	w.present = append(w.present, fresh.after(&fresh))
}

// after returns a trouble that goes on from an earlier look.
func (t Trouble) after(earlier *Trouble) Trouble {
	if earlier.Since.Before(t.Since) {
		t.Since = earlier.Since
	}
	t.before = earlier.before
	t.Refused = t.refused - t.before
	return t
}

func (w *Watch) end(t Trouble) {
	until := t.last
	t.Until, t.Summary = &until, t.past
	w.refused[t.Kind] = t.refused
	w.past = slices.Insert(w.past, 0, t)
	w.past = w.past[:min(len(w.past), maxPast)]
}
