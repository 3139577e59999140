package boltjournal

import (
	"cmp"
	"context"
	"io"
	"os"
	"runtime"

	"pushgateway/internal/gateway"
	"pushgateway/internal/record"
)

// replay passes all groups and receipts of a file to apply. Several goroutines decode; only
// what they hold is in memory twice.
func replay(ctx context.Context, f *os.File, apply func([]gateway.Applied), progress func(done, all int)) (*scan, error) {
	chunks := make(chan *chunk, 2*runtime.GOMAXPROCS(0))
	free := make(leaves, leavesEach*cap(chunks))
	s := &scan{before: isTorn(reading{ctx, f})}
	s.room = free.take
	var err error
	go func() {
		defer close(chunks)
		err = s.decodeAll(reading{ctx, f}, chunks)
	}()
	var faults []Fault
	done := 0
	for c := range chunks {
		<-c.done
		free.give(c.leaves)
		faults = append(faults, c.faults...)
		if len(c.applied) > 0 && ctx.Err() == nil {
			apply(c.applied)
		}
		done += len(c.applied)
		progress(done, int(s.expected.Load()))
	}
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return nil, err
	}
	s.faults = append(s.faults, faults...)
	if len(s.receipts) > 0 {
		apply([]gateway.Applied{{Change: gateway.Change{Receipts: s.receipts}}})
	}
	return s, nil
}

// decodeAll sends all records of a file in chunks, which are being decoded.
func (s *scan) decodeAll(f io.ReaderAt, chunks chan<- *chunk) error {
	c := newChunk()
	send := func() {
		go c.decode()
		chunks <- c
		c = newChunk()
	}
	err := s.run(f, func(r stored) {
		if c.isFull() && c.mayEndBefore(r) {
			send()
		}
		c.add(r)
	})
	send()
	return err
}

// chunk is some records on their way through decoding. It has all records of a
// leaf whose memory is used again, or none.
type chunk struct {
	records []stored
	size    int      // of the records, in bytes
	leaves  [][]byte // memory of their pages
	applied []gateway.Applied
	faults  []Fault
	done    chan struct{}
}

func newChunk() *chunk { return &chunk{done: make(chan struct{})} }

func (c *chunk) decode() {
	defer close(c.done)
	c.applied = make([]gateway.Applied, 0, len(c.records))
	for _, r := range c.records {
		g, revision, err := record.Decode(r.rec, r.key)
		if err != nil {
			c.faults = append(c.faults, Fault{r.page, r.key.String(), err.Error()})
			continue
		}
		c.applied = append(c.applied, gateway.Applied{Change: gateway.Change{Key: r.key, Group: g}, Revision: revision, Given: true})
	}
	c.records = nil
}

// add adds a record.
func (c *chunk) add(r stored) {
	if c.mayEndBefore(r) {
		c.leaves = append(c.leaves, r.leaf)
	}
	c.records = append(c.records, r)
	c.size += len(r.rec)
}

// mayEndBefore reports whether a record is of another page than the last one, or
// of one whose memory is not used again.
func (c *chunk) mayEndBefore(r stored) bool {
	return len(c.records) == 0 || c.records[len(c.records)-1].page != r.page || len(r.leaf) > maxLeaf
}

// isFull reports whether the chunk is large enough to be decoded.
func (c *chunk) isFull() bool {
	const most, mostBytes = 64, 1 << 20
	return len(c.records) >= most || c.size >= mostBytes
}

const (
	// leavesEach is about how many leaves a chunk has.
	leavesEach = 64
	// maxLeaf is the largest memory of a leaf that is used again, in bytes.
	maxLeaf = 64 << 10
)

// leaves is memory of pages that are not used any more.
type leaves chan []byte

// take returns memory for a page.
func (l leaves) take(size int) []byte {
	select {
	case b := <-l:
		if size <= cap(b) {
			return b[:size]
		}
	default:
	}
	return make([]byte, size)
}

// give takes back the memory of pages, unless it is much.
func (l leaves) give(all [][]byte) {
	for _, b := range all {
		if b == nil || len(b) > maxLeaf {
			continue
		}
		select {
		case l <- b:
		default:
			return
		}
	}
}

// reading is a file whose reads fail once the context has ended.
type reading struct {
	ctx  context.Context
	file *os.File
}

// ReadAt reads as long as the context has not ended.
func (r reading) ReadAt(b []byte, at int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.ReadAt(b, at)
}
