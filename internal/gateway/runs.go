package gateway

import (
	"math"
	"time"
)

// pushed returns the result of a push to old, which may be nil, with its runs.
func (g *Gateway) pushed(old *Group, p Push, at time.Time) (*Group, error) {
	group := pushed(old, p, at)
	if err := group.takeApart(p.Budget); err != nil {
		return nil, err
	}
	if g.config.Runs != nil {
		group.Runs = g.config.Runs(old, group, g.runsRoom(old))
	}
	return group, nil
}

// runsRoom returns how many bytes the runs of a group can have after a push.
// Pushes at the same time may exceed the bound together, each by one run.
func (g *Gateway) runsRoom(old *Group) int {
	switch {
	case g.config.RunsBytes == 0 || g.runsBytes.Load() < g.config.RunsBytes:
		return math.MaxInt
	case old == nil:
		return 0
	}
	return len(old.Runs)
}

// RunsBytes returns how many bytes the runs of all groups have.
func (g *Gateway) RunsBytes() int64 { return g.runsBytes.Load() }
