package exposition

import (
	"hash/maphash"
	"runtime"
	"sync"
	"weak"
)

// A pattern is a body in the text format without its values: a valueMark
// stands for each, and a partMark follows the last of each family.
type pattern struct{ text string }

// patterns has all patterns in use, each once: the groups of a job mostly have
// the same.
var patterns = patternTable{max: 32 << 20, known: make(map[uint64]weak.Pointer[pattern])}

// patternOverhead is about what a pattern takes beside its text, in bytes.
const patternOverhead = 140

// patternTable is safe for concurrent use. A pattern is in it for as long as
// somebody has it.
type patternTable struct {
	max   int // bytes of all patterns together
	mu    sync.Mutex
	bytes int
	known map[uint64]weak.Pointer[pattern] // by hash
}

// intern gives the pattern with this text, nil if there is no room for it.
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

// gone is a pattern that nobody has any more.
type gone struct {
	hash uint64
	size int
}

func (t *patternTable) forget(g gone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes -= g.size
	if t.known[g.hash].Value() == nil { // it has not come again
		delete(t.known, g.hash)
	}
}
