package exposition

import (
	"iter"
	"slices"
	"sync/atomic"
)

// Runs remembers, from one scrape to the next, which blocks stood behind each
// other, and what they say in one piece. Blocks lie all over the memory, and
// most are the same from scrape to scrape: to read them in one piece takes a
// fraction of the time. It is safe for concurrent use.
type Runs struct {
	max            int // bytes
	text, protobuf atomic.Pointer[runTable]
}

// NewRuns makes runs that take at most about max bytes for text and as much
// for protobuf, and keep blocks of that size that are no longer in use.
func NewRuns(max int) *Runs { return &Runs{max: max} }

// run is some blocks of one family that stand behind each other. It never
// changes.
type run struct {
	blocks []*Block
	joined []byte // what they say; nil if they were seen for the first time
}

const (
	// A run has at least minRun blocks, unless the family ends. The longer it
	// is the more has to be gathered when one of its blocks is pushed to.
	minRun, maxRun = 16, 64
	// maxJoined is the size of the largest run that is kept, in bytes: large
	// blocks gain nothing.
	maxJoined = 256 << 10
)

// runTable has the runs of one scrape, by their first blocks.
type runTable struct {
	starts map[*Block]*run
	bytes  int
}

// joiner finds the runs of one scrape.
type joiner struct {
	old, next *runTable
	max       int
	place     *atomic.Pointer[runTable]
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

// publish leaves the runs to the next scrape.
func (j *joiner) publish() { j.place.Store(j.next) }

// keep notes a run for the next scrape. Size is that of its content.
func (j *joiner) keep(r *run, size int) {
	if size <= maxJoined && j.next.bytes+size <= j.max {
		j.next.bytes += size
		j.next.starts[r.blocks[0]] = r
	}
}

// cut divides the blocks of a family into runs, where the last scrape did if
// that is possible. With each comes that of the last scrape if it is the same.
// The slice is for the loop's body only.
func (j *joiner) cut(blocks iter.Seq[*Block]) iter.Seq2[[]*Block, *run] {
	return func(yield func([]*Block, *run) bool) {
		var batch [maxRun]*Block
		var like *run // what began with the same block
		same, n := false, 0
		hand := func() bool {
			known := like
			if !same || n < len(like.blocks) {
				known = nil
			}
			all := batch[:n]
			n = 0
			return yield(all, known)
		}
		for b := range blocks {
			if n >= minRun && !same && j.old.starts[b] != nil && !hand() {
				return
			}
			if n == 0 {
				like = j.old.starts[b]
				same = like != nil
			}
			same = same && n < len(like.blocks) && like.blocks[n] == b
			batch[n] = b
			n++
			if (n == maxRun || n >= minRun && like != nil && n == len(like.blocks)) && !hand() {
				return
			}
		}
		if n > 0 {
			hand()
		}
	}
}

// writeRuns writes what blocks hold, run by run. Those that were there the
// last time are joined; the others may never come again.
func (e *Encoder) writeRuns(blocks iter.Seq[*Block], own func(*Block) []byte) error {
	for all, known := range e.joiner.cut(blocks) {
		var err error
		if known != nil {
			err = e.writeKnown(known, own)
		} else {
			err = e.writeNew(all, own)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) writeKnown(r *run, own func(*Block) []byte) error {
	if r.joined == nil {
		r = &run{r.blocks, join(r.blocks, own)}
	}
	e.joiner.keep(r, len(r.joined))
	_, err := e.w.Write(r.joined)
	return err
}

func join(blocks []*Block, own func(*Block) []byte) []byte {
	size := 0
	for _, b := range blocks {
		size += len(own(b))
	}
	joined := make([]byte, 0, size)
	for _, b := range blocks {
		joined = append(joined, own(b)...)
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
	e.joiner.keep(&run{blocks: slices.Clone(blocks)}, size)
	return nil
}
