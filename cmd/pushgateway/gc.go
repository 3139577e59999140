package main

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// maxHeadroom is what may become garbage, in bytes, before the collector runs
	// again. Go's default, as much as is in use, makes it run dozens of times a
	// second while little is stored and much is pushed.
	maxHeadroom = 96 << 20
	// minHeadroom is the same where pushes may take little.
	minHeadroom = 16 << 20
	// maxPercent bounds what may become garbage as a part of what is in use: an
	// idle gateway that has nothing does not grow for it.
	maxPercent = 1000
)

// pace is how the garbage collector is held to what pushes may take. Their
// garbage is not counted with them, so there must not be much of it: a quarter
// of the bound at most, within maxHeadroom, and less the more they take. What is stored, and stays, may have
// as much garbage beside it, which is Go's default.
type pace struct {
	inflight atomic.Int64 // bytes that pushes take
	most     int64        // that they may take
	percent  atomic.Int64 // as it was set last
}

// newPace keeps a pace from now on. It leaves things alone if the environment
// has GOGC.
func newPace(most int64) *pace {
	p := &pace{most: most}
	if os.Getenv("GOGC") == "" {
		p.watch(new(sentinel))
	} else {
		p.most = 0
	}
	return p
}

// sentinel is garbage that is noticed when it is collected: once each cycle.
type sentinel struct{ _ [16]byte }

func (p *pace) watch(s *sentinel) {
	runtime.SetFinalizer(s, func(s *sentinel) {
		p.keep()
		p.watch(s)
	})
}

// keep sets the pace anew: after each cycle, and while pushes take more and
// more, for a cycle's end is noticed late.
func (p *pace) keep() {
	if p.most == 0 {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := p.of(int64(live[0].Value.Uint64()))
	if p.percent.Swap(percent) != percent {
		debug.SetGCPercent(int(percent))
	}
}

// of is how much may become garbage for what is in use, as a part of it.
func (p *pace) of(inUse int64) int64 {
	inUse = max(inUse, 1<<20)
	pushes := p.inflight.Load()
	room := max(minHeadroom, min(maxHeadroom, p.most/4)-pushes/5, inUse-2*pushes)
	return max(1, min(maxPercent, 100*room/inUse))
}

// limitMemory has the collector work harder before the container, or whatever
// control group the process is in, has used up its memory. GOMEMLIMIT in the
// environment wins.
func limitMemory(logger *slog.Logger) {
	limit, err := memlimit.Set()
	if err != nil {
		logger.Info("The memory limit of the control group is not known; set GOMEMLIMIT if there is one", "err", err)
		return
	}
	logger.Debug("Soft memory limit", "bytes", limit)
}

// profileMemory notes where memory is allocated, or not: doing so for nobody to
// look at costs pushes a hundredth. It is to be called once, early.
func profileMemory(on bool) {
	if !on {
		runtime.MemProfileRate = 0
	}
}
