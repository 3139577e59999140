package natsjournal

import (
	"time"
)

// Deadlines are absolute times in records, so members must agree on the time. The
// servers' clock decides: a member corrects its own by what it has measured.

const (
	// heardWithin is how soon a member must hear its own sign of life, so that the
	// servers' time in it is that exact.
	heardWithin = 500 * time.Millisecond
	// leastSkew is what is corrected. Less may be the way to the servers and back.
	leastSkew = 2 * heardWithin
	// muchSkew is what operators should know of.
	muchSkew = 5 * time.Second
)

// Now returns the time by the clock of the servers, as well as this member knows
// it.
func (j *Journal) Now() time.Time {
	now := j.config.Now()
	if skew := j.Skew(); skew.Abs() >= leastSkew {
		return now.Add(-skew)
	}
	return now
}

// Skew returns by how much the clock of this member is ahead of that of the
// servers.
func (j *Journal) Skew() time.Duration { return time.Duration(j.skew.Load()) }

// measure compares the clock with that of the servers, which stored at one time
// what this member has sent at another.
func (j *Journal) measure(sent, stored time.Time) {
	if delay := j.config.Now().Sub(sent); delay < 0 || delay > heardWithin {
		return // it took long, or the clock was set meanwhile
	}
	skew := sent.Sub(stored)
	before := time.Duration(j.skew.Swap(int64(skew)))
	if skew.Abs() >= muchSkew && before.Abs() < muchSkew {
		j.config.Logger.Warn("The clock of this machine is off; the gateway goes by that of the NATS servers. Synchronize the clocks", "ahead", skew.Round(time.Millisecond))
	}
}
