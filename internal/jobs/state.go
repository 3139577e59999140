// Package jobs tells how jobs are from what is stored of them: which metrics of
// a group say how a job went, the state that follows from them at a time, and
// how the groups of a job become one row. It reads no clock, and asks nobody.
package jobs

import "slices"

// State is how a job is. The worst state is the lowest.
type State uint8

// The states, worst first. Each but the last two has an alert in
// deploy/prometheus, which fires for exactly these groups unless a worse state
// holds: JobFailed, JobMissing, JobRunsLong, PushRefused and JobStale.
const (
	Failing        State = iota // the last run that ended failed
	Late                        // there was no success for longer than expected
	RunningTooLong              // the run takes much longer than the last one, or than expected
	PushRefused                 // the last push was refused
	Stale                       // nothing is expected, and nothing has come for long
	OK                          // the last run succeeded
	Unknown                     // the group does not say how the job went
)

var stateNames = [...]string{"failing", "late", "running_too_long", "push_refused", "stale", "ok", "unknown"}

// Names returns the names of all states, worst first.
func Names() []string { return slices.Clone(stateNames[:]) }

// String returns the name of the state.
func (s State) String() string { return stateNames[s] }

// Parse returns the state with a name.
func Parse(name string) (s State, ok bool) {
	i := slices.Index(stateNames[:], name)
	return State(max(i, 0)), i >= 0
}
