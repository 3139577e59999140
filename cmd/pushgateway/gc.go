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
	// maxHeadroom is how many bytes may become garbage before the collector runs
	// again. By default, Go allows as much garbage as there is live memory. With
	// few groups and many pushes it would then run dozens of times a second.
	maxHeadroom = 96 << 20
	// minHeadroom is the lower bound of the same, for gateways whose pushes may
	// take little memory.
	minHeadroom = 16 << 20
	// maxPercent bounds garbage as a percentage of live memory, so that an idle,
	// empty gateway does not grow.
	maxPercent = 1000
)

// pace bounds the garbage of pushes. --push.max-inflight-bytes does not count
// that garbage, so pace allows at most a quarter of it, at most maxHeadroom,
// and less the more memory pushes take. Stored groups may have as much garbage
// beside them as they are large, which is Go's default.
type pace struct {
	inflight atomic.Int64 // bytes that pushes take now
	most     int64        // bytes that pushes may take
	percent  atomic.Int64 // the last value set
}

// newPace starts to control the collector. It does nothing if GOGC is set in
// the environment.
func newPace(most int64) *pace {
	p := &pace{most: most}
	if os.Getenv("GOGC") == "" {
		p.watch(new(sentinel))
	} else {
		p.most = 0
	}
	return p
}

// sentinel is garbage whose finalizer runs once per collection.
type sentinel struct{ _ [16]byte }

func (p *pace) watch(s *sentinel) {
	runtime.SetFinalizer(s, func(s *sentinel) {
		p.keep()
		p.watch(s)
	})
}

// keep adjusts the collector. It runs after each cycle, and also while pushes
// take more and more memory, since the end of a cycle comes too late for that.
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

// of returns how much may become garbage beside this many live bytes, in
// percent.
func (p *pace) of(inUse int64) int64 {
	inUse = max(inUse, 1<<20)
	pushes := p.inflight.Load()
	room := max(minHeadroom, min(maxHeadroom, p.most/4)-pushes/5, inUse-2*pushes)
	return max(1, min(maxPercent, 100*room/inUse))
}

// limitMemory makes the collector work harder as the process approaches the
// memory limit of its control group. GOMEMLIMIT in the environment wins.
func limitMemory(logger *slog.Logger) {
	limit, err := memlimit.Set()
	if err != nil {
		logger.Info("Could not find the memory limit of the control group; set GOMEMLIMIT if there is one", "err", err)
		return
	}
	logger.Debug("Set the soft memory limit", "bytes", limit)
}

// profileMemory turns the memory profile on or off. A profile that nobody reads
// costs a push about 1 %. Call it once, early.
func profileMemory(on bool) {
	if !on {
		runtime.MemProfileRate = 0
	}
}
