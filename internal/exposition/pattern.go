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

// patternOverhead is roughly what a pattern takes in addition to its text, in
// bytes.
const patternOverhead = 140

// Patterns holds the patterns in use, each once, since the groups of a job
// usually have the same. It is safe for concurrent use, and holds a pattern as
// long as a block has it.
type Patterns struct {
	max   int // bytes of all patterns together
	mu    sync.Mutex
	bytes int
	known map[uint64]weak.Pointer[pattern] // by hash
}

// NewPatterns returns a table that holds up to this many bytes of patterns.
// Bodies beyond that get none, and so take the full parse each time.
func NewPatterns(bytes int) *Patterns {
	return &Patterns{max: bytes, known: make(map[uint64]weak.Pointer[pattern])}
}

// intern returns the pattern with this text, or nil if there is no room for it.
func (t *Patterns) intern(text []byte) *pattern {
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

func (t *Patterns) forget(g gone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes -= g.size
	if t.known[g.hash].Value() == nil { // it was not added again meanwhile
		delete(t.known, g.hash)
	}
}
