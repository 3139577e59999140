package boltjournal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

// stored is one record as it lies in a file.
type stored struct {
	key  grouping.Key
	rec  []byte
	page uint64
	leaf []byte // memory of the page; nil if it also has something else
}

// scan is one pass through a file.
type scan struct {
	pages
	buckets  map[string]element // of the root
	state    state
	hasState bool
	expected atomic.Uint64 // number of groups, once the state is read
	groups   uint64        // number of intact records
	sum      uint64        // sum of their checksums
	faults   []Fault
	visit    func(stored)

	receipts   []gateway.Receipt // intact ones, oldest first
	receiptSum uint64            // sum of their checksums

	// before is set to read the state before the last commit.
	before bool
	// unconfirmed reports whether the two meta pages lead to different states.
	unconfirmed bool
}

// scanFile reads all records of a file in the order of their keys and finds
// everything that is wrong. visit receives the intact records and may keep
// them. The error is for a file that cannot be read at all, is not a journal,
// or was written by a newer version.
func scanFile(f *os.File, visit func(stored)) (*scan, error) {
	s := &scan{before: isTorn(f)}
	return s, s.run(f, visit)
}

func (s *scan) run(f io.ReaderAt, visit func(stored)) error {
	s.visit = visit
	if err := s.readHead(f); err != nil {
		return err
	}
	if e, ok := s.buckets[string(groupsBucket)]; ok {
		s.bucket(e, s.take)
	} else {
		s.fault(Fault{Page: s.meta.root, Msg: "the bucket with the groups is missing"})
	}
	if e, ok := s.buckets[string(receiptsBucket)]; ok {
		s.bucket(e, s.takeReceipt)
	}
	s.compare()
	return nil
}

// readHead reads everything except the groups.
func (s *scan) readHead(f io.ReaderAt) error {
	s.file, s.seen, s.buckets = f, make(map[uint64]bool), make(map[string]element)
	s.fault = func(x Fault) { s.faults = append(s.faults, x) }
	if err := s.readMetas(f); err != nil {
		return err
	}
	s.walk(s.meta.root, bounds{}, func(e element) { s.buckets[string(e.key)] = e })
	if err := s.readState(); err != nil {
		return err
	}
	s.expected.Store(s.state.groups)
	return nil
}

// readMetas finds where the state begins. Both meta pages are intact after any
// crash: bbolt writes them in turn, and each fits into one sector. If one is
// damaged, the last commit may be lost with it.
func (s *scan) readMetas(f io.ReaderAt) error {
	first, second, err := bothMetas(f)
	switch {
	case err != nil:
		return err
	case first.err != nil && second.err != nil:
		return fmt.Errorf("%w: both of its meta pages are missing or damaged", ErrForeign)
	case first.err != nil:
		s.meta = second.meta
		s.fault(Fault{Page: 0, Msg: first.err.Error() + ", and the last change may be lost"})
	case second.err != nil:
		s.meta = first.meta
		s.fault(Fault{Page: 1, Msg: second.err.Error() + ", and the last change may be lost"})
	case (first.txid > second.txid) != s.before:
		s.meta = first.meta
	default:
		s.meta = second.meta
	}
	s.unconfirmed = first.err == nil && second.err == nil && first.root != second.root
	if first.err == nil && second.err == nil && first.txid+1 != second.txid && second.txid+1 != first.txid {
		s.fault(Fault{Page: 0, Msg: "the two meta pages do not have consecutive numbers"})
	}
	// The last pages need not be in use, but they existed.
	if err := s.readAt(make([]byte, 1), s.meta.pages*uint64(s.meta.pageSize)-1); err != nil {
		s.fault(Fault{Page: s.meta.pages - 1, Msg: err.Error()})
	}
	return nil
}

type readingOfMeta struct {
	meta
	err error
}

// bothMetas reads the two meta pages. The place of the second one depends on
// the page size in the first one. If that is unreadable, bothMetas tries all
// sizes.
func bothMetas(f io.ReaderAt) (first, second readingOfMeta, err error) {
	b := make([]byte, 2*maxPageSize)
	n, err := f.ReadAt(b, 0)
	if n == 0 && err != nil {
		return first, second, fmt.Errorf("%w: it is empty, or cannot be read: %w", ErrForeign, err)
	}
	b = b[:n]
	first.meta, first.err = readMeta(b, 0)
	for size := minPageSize; size <= maxPageSize; size *= 2 {
		if first.err == nil && int(first.pageSize) != size || size > len(b) {
			continue
		}
		second.meta, second.err = readMeta(b[size:], 1)
		if second.err == nil || first.err == nil {
			return first, second, nil
		}
	}
	if second.err == nil {
		second.err = errors.New("the file ends before it")
	}
	return first, second, nil
}

func (s *scan) readState() error {
	e, ok := s.buckets[string(stateBucket)]
	if !ok {
		if len(s.faults) == 0 {
			return fmt.Errorf("%w: it is a bbolt file of another program", ErrForeign)
		}
		s.fault(Fault{Page: s.meta.root, Msg: "the state is missing"})
		return nil
	}
	var err error
	s.bucket(e, func(e element) {
		if string(e.key) != string(stateKey) {
			s.fault(Fault{Page: e.page, Msg: fmt.Sprintf("the state has an unknown key %q", excerpt.Of(string(e.key)))})
			return
		}
		s.hasState = true
		err = s.state.unmarshal(e.value)
	})
	switch {
	case errors.Is(err, errVersion):
		return err
	case err != nil:
		s.hasState = false
		s.fault(Fault{Page: e.page, Msg: err.Error()})
	case !s.hasState:
		s.fault(Fault{Page: e.page, Msg: "the state is missing"})
	case s.unconfirmed && !s.before && s.state.commit != 0 && s.state.commit != s.meta.txid:
		s.fault(Fault{Page: e.page, Msg: "the state is of an earlier commit than the meta page"})
	}
	return nil
}

// take checks one record.
func (s *scan) take(e element) {
	key := grouping.Key(e.key)
	if e.bucket {
		s.fault(Fault{Page: e.page, Msg: "it has a bucket in the place of a group"})
		return
	}
	if _, err := record.Check(e.value, key); err != nil {
		s.fault(Fault{e.page, key.String(), err.Error()})
		return
	}
	s.groups++
	s.sum += record.Checksum(e.value)
	s.visit(stored{key, e.value, e.page, e.leaf})
}

// compare compares what was found with the state.
func (s *scan) compare() {
	if !s.hasState || len(s.faults) > 0 {
		return
	}
	s.compareReceipts()
	switch {
	case s.groups != s.state.groups:
		s.fault(Fault{Page: s.meta.root, Msg: fmt.Sprintf("the file holds %d groups, but its state counts %d", s.groups, s.state.groups)})
	case s.sum != s.state.sum:
		s.fault(Fault{Page: s.meta.root, Msg: "the records do not match the checksum in the state: some are out of date"})
	}
}

// free returns how many pages of the file are unused.
func (s *scan) free() int { return int(s.meta.pages) - len(s.seen) - 2 }
