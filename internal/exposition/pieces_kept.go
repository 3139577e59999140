package exposition

import (
	"sync"
	"time"
)

// pieceTables are the pieces of the last scrape of each kind, within a bound for
// all of them together: a scrape gets what those of other kinds leave. They are
// dropped when nobody has asked for them for a while.
type pieceTables struct {
	maxEach, maxAll int // bytes

	mu     sync.Mutex
	kept   map[pieceKey]*pieceTable // of the last scrape
	making map[pieceKey]*pieceTable // of one that is under way
}

// pieceKey is a kind of scrape, whose pieces are of no use for others.
type pieceKey struct {
	syntax Syntax
	coding string
}

// pieceTable holds the pieces of one scrape. Its starts do not change any more once
// it is published.
type pieceTable struct {
	key     pieceKey
	starts  map[uint64]*packedRun // by the identity of the first block
	bytes   int                   // that they take; those that are not compressed yet do not count
	last    uint64                // what lastID was when the scrape ended: blocks with later identities were not in it
	begun   time.Time
	dropped bool
	idle    *time.Timer // drops it; nil until it is published
}

const (
	// keptFor is how long pieces are kept that nobody asks for.
	keptFor = 10 * time.Minute
	// maxMaking is how long other scrapes of the same kind leave it to one to make
	// the pieces for the next.
	maxMaking = 10 * time.Second
)

func newPieceTables(max int) *pieceTables {
	return &pieceTables{maxEach: max, maxAll: 2 * max, kept: make(map[pieceKey]*pieceTable), making: make(map[pieceKey]*pieceTable)}
}

// begin starts a scrape. Of several at once, only the first keeps its pieces, so
// that their number does not count.
func (t *pieceTables) begin(key pieceKey, to PieceWriter) *piecer {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &piecer{tables: t, to: to, old: t.kept[key]}
	p.short, p.long = to.PieceSizes()
	if p.old == nil {
		p.old = new(pieceTable)
	}
	if other := t.making[key]; other != nil {
		if time.Since(other.begun) < maxMaking {
			return p
		}
		other.drop()
	}
	p.next = &pieceTable{key: key, starts: make(map[uint64]*packedRun, len(p.old.starts)), begun: time.Now()}
	t.making[key] = p.next
	return p
}

// drop forgets the pieces of a table that is not published.
func (t *pieceTable) drop() { t.dropped, t.starts, t.bytes = true, nil, 0 }

// keep adds a piece to a table, if there is room. It is safe on a nil table, which
// has none.
func (t *pieceTables) keep(table *pieceTable, r *packedRun, size int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room(table, size+runSize+blockSize*len(r.blocks)) {
		return false
	}
	table.starts[r.blocks[0]] = r
	return true
}

// takes counts more bytes of a table, if there is room for them.
func (t *pieceTables) takes(table *pieceTable, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.room(table, n)
}

func (t *pieceTables) room(table *pieceTable, n int) bool {
	if table == nil || table.dropped || table.bytes+n > t.maxEach {
		return false
	}
	all := table.bytes + n
	for key, other := range t.kept {
		if key != table.key {
			all += other.bytes
		}
	}
	for key, other := range t.making {
		if key != table.key && t.kept[key] == nil { // most pieces are in both
			all += other.bytes
		}
	}
	if all > t.maxAll {
		return false
	}
	table.bytes += n
	return true
}

// publish passes a table to the next scrape of its kind.
func (t *pieceTables) publish(table *pieceTable) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if table == nil || t.making[table.key] != table {
		return
	}
	delete(t.making, table.key)
	if old := t.kept[table.key]; old != nil {
		old.idle.Stop()
	}
	table.last = lastID.Load()
	t.kept[table.key] = table
	table.idle = time.AfterFunc(keptFor, func() { t.forget(table) })
}

// forget drops a table that is published.
func (t *pieceTables) forget(table *pieceTable) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept[table.key] == table {
		delete(t.kept, table.key)
	}
}

// abandon drops a table that is not published, and does nothing with others.
func (t *pieceTables) abandon(table *pieceTable) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if table != nil && t.making[table.key] == table {
		delete(t.making, table.key)
		table.drop()
	}
}
