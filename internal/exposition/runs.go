package exposition

import (
	"iter"
	"slices"
	"sync/atomic"
	"time"
)

// Runs remembers, from one scrape to the next, which blocks followed each
// other, and their joined content. Blocks are scattered over the memory, and
// most stay the same from scrape to scrape, so reading them in one piece takes
// a fraction of the time. It is safe for concurrent use.
type Runs struct {
	max            int // bytes
	text, protobuf atomic.Pointer[runTable]
	packed         *pieceTables
	maxMade        int // bytes of protobuf that blocks keep
}

// NewRuns returns runs that take at most about max bytes for text and as much
// for protobuf. For a while after a scrape they also keep blocks of that size that
// are no longer in use, with what shares memory with these. What they
// keep compressed takes at most max bytes for each format and coding, and twice as
// much for all of them. Blocks keep at most 3 times max bytes of the protobuf
// that these scrapes make of them.
func NewRuns(max int) *Runs { return &Runs{max: max, packed: newPieceTables(max), maxMade: 3 * max} }

// run is a sequence of blocks of one family. It is immutable.
type run struct {
	blocks []*Block
	joined []byte // their joined content; nil if they were seen for the first time
}

const (
	// A run has at least minRun blocks, unless the family ends. The longer it is,
	// the more must be joined again when one of its blocks changes.
	minRun, maxRun = 16, 64
	// maxJoined is the size of the largest run that is kept, in bytes: large
	// blocks gain nothing.
	maxJoined = 256 << 10
	// runSize is what a run takes in a table in addition to its content, in
	// bytes, and blockSize what each of its blocks adds.
	runSize, blockSize = 128, 8
)

// runTable holds the runs of one scrape, by their first blocks.
type runTable struct {
	starts map[*Block]*run
	bytes  int         // that all of them take, joined
	idle   *time.Timer // drops it; nil until it is published
}

// runsFor is how long runs are kept if there is no scrape of their kind. Until then
// they keep blocks that were replaced, and the whole pushes that these came with.
const runsFor = 2 * time.Minute

// joiner finds the runs of one scrape.
type joiner struct {
	old, next *runTable
	max       int
	place     *atomic.Pointer[runTable]

	batch [maxRun]*Block // the first n are the present run
	n     int
	like  *run // of the last scrape, beginning with the same block
	same  bool // equal to like, so far
}

func (r *Runs) joiner(f Format) *joiner {
	j := &joiner{old: new(runTable), next: new(runTable), max: r.max, place: &r.text}
	if f.Syntax == Protobuf {
		j.place = &r.protobuf
	}
	if old := j.place.Load(); old != nil {
		j.old = old
	}
	j.next.starts = make(map[*Block]*run, len(j.old.starts))
	return j
}

// publish passes the runs to the next scrape.
func (j *joiner) publish() {
	table, place := j.next, j.place
	table.idle = time.AfterFunc(runsFor, func() { place.CompareAndSwap(table, nil) })
	if old := place.Swap(table); old != nil {
		old.idle.Stop()
	}
}

// room reports whether to keep a run for the next scrape, and counts it if so.
// size is that of its content. A single block gains nothing.
func (j *joiner) room(blocks []*Block, size int) bool {
	takes := size + runSize + blockSize*len(blocks)
	if len(blocks) < 2 || size > maxJoined || j.next.bytes+takes > j.max {
		return false
	}
	j.next.bytes += takes
	return true
}

// keep passes a run to the next scrape.
func (j *joiner) keep(r *run) { j.next.starts[r.blocks[0]] = r }

// endsAt reports whether the run ends before a block, so that the next one
// begins where a run of the last scrape did.
func (j *joiner) endsAt(b *Block) bool {
	return j.n >= minRun && !j.same && j.old.starts[b] != nil
}

// add appends a block to the run.
func (j *joiner) add(b *Block) {
	if j.n == 0 {
		j.like = j.old.starts[b]
		j.same = j.like != nil
	}
	j.same = j.same && j.n < len(j.like.blocks) && j.like.blocks[j.n] == b
	j.batch[j.n] = b
	j.n++
}

// complete reports whether the run gets no more blocks.
func (j *joiner) complete() bool {
	return j.n == maxRun || j.n >= minRun && j.like != nil && j.n == len(j.like.blocks)
}

// take returns the run, and that of the last scrape if it is the same, and
// starts the next one. The slice is valid until the next block is added.
func (j *joiner) take() (blocks []*Block, known *run) {
	if j.same && j.n == len(j.like.blocks) {
		known = j.like
	}
	blocks, j.n = j.batch[:j.n], 0
	return blocks, known
}

// writeRuns writes the content of blocks, divided into the runs of the last
// scrape if possible.
func (e *Encoder) writeRuns(blocks iter.Seq[*Block], own func(*Block) []byte) error {
	j := e.joiner
	for b := range blocks {
		if j.endsAt(b) {
			if err := e.writeRun(own); err != nil {
				return err
			}
		}
		if j.add(b); j.complete() {
			if err := e.writeRun(own); err != nil {
				return err
			}
		}
	}
	return e.writeRun(own)
}

// writeRun writes the present run. It joins only a run that occurred in the
// last scrape; others may never come again.
func (e *Encoder) writeRun(own func(*Block) []byte) error {
	blocks, known := e.joiner.take()
	switch {
	case len(blocks) == 0:
		return nil
	case known != nil:
		return e.writeKnown(known, own)
	}
	return e.writeNew(blocks, own)
}

func (e *Encoder) writeKnown(r *run, own func(*Block) []byte) error {
	if r.joined == nil {
		r = &run{r.blocks, e.join(r.blocks, own)}
	}
	e.at += len(r.joined)
	if e.joiner.room(r.blocks, len(r.joined)) {
		e.joiner.keep(r)
	}
	_, err := e.w.Write(r.joined)
	return err
}

func (e *Encoder) join(blocks []*Block, own func(*Block) []byte) []byte {
	size := 0
	for _, b := range blocks {
		size += e.format.sizeOf(b)
	}
	joined := make([]byte, 0, size)
	for _, b := range blocks {
		if content := own(b); content != nil {
			joined = append(joined, content...)
		} else {
			joined = e.reader.appendProto(joined, b)
		}
	}
	return joined
}

func (e *Encoder) writeNew(blocks []*Block, own func(*Block) []byte) error {
	size := 0
	for part := range slices.Chunk(blocks, ahead) {
		n, err := e.writeBatch(part, own)
		if err != nil {
			return err
		}
		size += n
	}
	if e.joiner.room(blocks, size) {
		e.joiner.keep(&run{blocks: slices.Clone(blocks)})
	}
	return nil
}
