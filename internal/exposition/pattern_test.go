package exposition

import (
	"runtime"
	"testing"
)

// TestPatterns keeps each pattern once, within the bound, and for as long as
// somebody has it.
func TestPatterns(t *testing.T) {
	table := NewPatterns(10 + 2*patternOverhead)
	a, b := table.intern([]byte("four")), table.intern([]byte("five5"))
	if a == nil || b == nil || a == b || table.intern([]byte("four")) != a {
		t.Fatalf("got %v and %v, and the first again: %v", a, b, table.intern([]byte("four")))
	}
	if c := table.intern([]byte("six")); c != nil {
		t.Errorf("%v is more than the bound", c)
	}
	runtime.KeepAlive(a) // and no longer
	for range 100 {      // cleanups run some time after the collector has found them
		runtime.GC()
		if c := table.intern([]byte("six")); c != nil {
			table.mu.Lock()
			defer table.mu.Unlock()
			if table.bytes != len("five5")+len("six")+2*patternOverhead || len(table.known) != 2 {
				t.Errorf("%d bytes in %d patterns", table.bytes, len(table.known))
			}
			runtime.KeepAlive(b)
			runtime.KeepAlive(c)
			return
		}
	}
	t.Error("there is still no room, though one pattern is gone")
}
