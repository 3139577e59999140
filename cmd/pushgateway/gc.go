package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// minHeadroom is what may become garbage, in bytes, before the collector runs
// again. Go's default, as much as is in use, makes it run dozens of times a
// second while little is stored and much is pushed.
const minHeadroom = 96 << 20

// maxPercent bounds what may become garbage as a part of what is in use: an
// idle gateway that has nothing does not grow for it.
const maxPercent = 1000

// tuneGC keeps the headroom of the garbage collector at minHeadroom, as far as
// maxPercent allows, and at Go's default where more is in use. It leaves things
// alone if the environment has GOGC.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		runtime.SetFinalizer(new(sentinel), (*sentinel).collected)
	}
}

// sentinel is garbage that notices when it is collected: once each cycle.
type sentinel struct{ _ [16]byte }

func (s *sentinel) collected() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	inUse := max(live[0].Value.Uint64(), 1<<20)
	debug.SetGCPercent(int(min(maxPercent, max(100, 100*minHeadroom/inUse))))
	runtime.SetFinalizer(s, (*sentinel).collected)
}

// profileMemory notes where memory is allocated, or not: doing so for nobody to
// look at costs pushes a hundredth. It is to be called once, early.
func profileMemory(on bool) {
	if !on {
		runtime.MemProfileRate = 0
	}
}
