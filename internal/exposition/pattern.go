package exposition

import (
	"hash/maphash"
	"runtime"
	"sync"
	"weak"
)

// A pattern is a text body without its values: each value is replaced by a
// valueMark, and the last one of each family is followed by a partMark.
type pattern struct{ text string }

// patterns holds all patterns in use, each once, since the groups of a job
// usually have the same.
var patterns = patternTable{max: 32 << 20, known: make(map[uint64]weak.Pointer[pattern])}

// patternOverhead is roughly what a pattern takes in addition to its text, in
// bytes.
const patternOverhead = 140

// patternTable is safe for concurrent use. It holds a pattern as long as
// somebody uses it.
type patternTable struct {
	max   int // bytes of all patterns together
	mu    sync.Mutex
	bytes int
	known map[uint64]weak.Pointer[pattern] // by hash
}

// intern returns the pattern with this text, or nil if there is no room for it.
func (t *patternTable) intern(text []byte) *pattern {
	hash := maphash.Bytes(seed, text)
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.known[hash].Value(); p != nil && p.text == string(text) {
		return p
	}
	size := len(text) + patternOverhead
	if t.bytes+size > t.max {
		return nil
	}
	p := &pattern{string(text)}
	t.known[hash] = weak.Make(p)
	t.bytes += size
	runtime.AddCleanup(p, t.forget, gone{hash, size})
	return p
}

// gone removes a pattern that nobody uses any more.
type gone struct {
	hash uint64
	size int
}

func (t *patternTable) forget(g gone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes -= g.size
	if t.known[g.hash].Value() == nil { // it was not added again meanwhile
		delete(t.known, g.hash)
	}
}
