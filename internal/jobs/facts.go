package jobs

import (
	"math"
	"time"

	"pushgateway/internal/gateway"
)

// Facts are what a group says about a job. Numbers that it does not say are NaN.
// Comparisons with NaN are false, as those of PromQL with a missing series are.
type Facts struct {
	// ExitCode is that of the last run that ended.
	ExitCode float64
	// Success is 1 if the last run succeeded, or 0.
	Success float64
	// Running is 1 while a run is in progress.
	Running float64
	// LastStart, LastEnd and LastSuccess are Unix times in seconds.
	LastStart, LastEnd, LastSuccess float64
	// Expected is how often the job should succeed, in seconds.
	Expected float64
	// Duration is that of the last run that ended, in seconds.
	Duration float64
	// Flag is the name of the metric that Success comes from.
	Flag string
	// NoGauge is the name of a metric that would tell of the job if it were a gauge.
	NoGauge string
}

// Push is what the gateway knows about the pushes to a group. Times that do not
// exist are NaN.
type Push struct {
	At        float64 // Unix time of the last successful push
	RefusedAt float64 // Unix time of the last refused push
	Refused   bool    // whether the last push was refused
	Why       string  // why it was refused
}

// noFacts returns facts without any number.
func noFacts() Facts {
	nan := math.NaN()
	return Facts{nan, nan, nan, nan, nan, nan, nan, nan, "", ""}
}

// pushOf returns what the gateway knows about the pushes to a group.
func pushOf(g *gateway.Group) Push {
	return Push{At: unix(g.Pushed), RefusedAt: unix(g.Failed), Refused: g.Failing, Why: g.Failure}
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return math.NaN()
	}
	return float64(t.UnixNano()) / 1e9
}
