package boltjournal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"pushgateway/internal/excerpt"
)

// bbolt maps its file into memory and trusts what it finds there: a damaged
// page can make it panic, loop, or read beyond the end. So this code reads the
// whole file first, and trusts nothing, before bbolt may open it.
//
// The layout is that of bbolt's format version 2 (see "Database format" in its
// documentation, and the types in its package common), in the byte order of the
// machine. A page begins with its number, its kind, its number of elements, and
// the number of further pages that it spans.

const (
	pageHeader  = 16
	elementSize = 16
	metaSize    = 64
	metaTxid    = 48 // where in it the number of the commit is
	metaSum     = metaSize - 8
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchPage = 0x01
	leafPage   = 0x02
	metaPage   = 0x04

	bucketElement = 0x01 // a leaf element that is a bucket

	minPageSize = 512
	maxPageSize = 64 << 10
)

var order = binary.NativeEndian

// Fault is one thing that is wrong with a file.
type Fault struct {
	Page uint64 // page number
	Key  string // the group as a selector, if its key is readable
	Msg  string
}

func (f Fault) String() string {
	if f.Key != "" {
		return fmt.Sprintf("page %d, group %s: %s", f.Page, excerpt.Line(f.Key, excerpt.Most), f.Msg)
	}
	return fmt.Sprintf("page %d: %s", f.Page, f.Msg)
}

// meta is the content of a meta page: where the state begins.
type meta struct {
	pageSize uint32
	root     uint64
	pages    uint64 // number of pages that are or were in use
	txid     uint64
}

// readMeta reads one of the two meta pages.
func readMeta(b []byte, id uint64) (m meta, err error) {
	if len(b) < pageHeader+metaSize {
		return m, errors.New("it is cut off")
	}
	if order.Uint64(b) != id || order.Uint16(b[8:]) != metaPage {
		return m, errors.New("it is not marked as a meta page")
	}
	b = b[pageHeader:]
	switch {
	case order.Uint32(b) != boltMagic:
		return m, errors.New("it does not begin like a meta page of bbolt")
	case order.Uint64(b[metaSum:]) != checksumMeta(b):
		return m, errors.New("its checksum does not match its content")
	case order.Uint32(b[4:]) != boltVersion:
		return m, fmt.Errorf("its bbolt format is %d, but this program reads %d", order.Uint32(b[4:]), boltVersion)
	}
	m = meta{pageSize: order.Uint32(b[8:]), root: order.Uint64(b[16:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[metaTxid:])}
	if m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 {
		return m, fmt.Errorf("its page size is %d", m.pageSize)
	}
	return m, nil
}

func checksumMeta(b []byte) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSum]) // writing to a hash cannot fail
	return sum.Sum64()
}

// page is one page of the file, with the pages that it spans.
type page struct {
	id    uint64
	kind  uint16
	count int
	data  []byte // all of it, including the header
	// inline is set if it lies within an element of another page.
	inline bool
}

// pages reads the pages of a file, each at most once.
type pages struct {
	file io.ReaderAt
	meta meta
	seen map[uint64]bool
	// unreadable is set if a part of the file is missing or cannot be read.
	unreadable bool
	// fault is called for each fault.
	fault func(Fault)
	// room returns memory for a page, of any content. Nil means new memory.
	room func(size int) []byte
}

// ahead is how many pages are read at once, since a leaf of groups with many
// series spans more than one.
const ahead = 2

// read returns a page, or false after reporting the fault.
func (p *pages) read(id uint64) (page, bool) {
	pg, err := p.tryRead(id)
	if err != nil {
		p.fault(Fault{Page: id, Msg: err.Error()})
		return page{}, false
	}
	return pg, true
}

func (p *pages) tryRead(id uint64) (pg page, err error) {
	if id < 2 || id >= p.meta.pages {
		return pg, fmt.Errorf("it is outside of the file, which has %d pages", p.meta.pages)
	}
	if p.seen[id] {
		return pg, errors.New("two pages refer to it")
	}
	b, err := p.readAhead(id)
	if err != nil {
		return pg, err
	}
	if order.Uint64(b) != id {
		return pg, fmt.Errorf("its header has the page number %d", order.Uint64(b))
	}
	more := uint64(order.Uint32(b[12:]))
	if more >= p.meta.pages-id {
		return pg, errors.New("it extends beyond the end of the file")
	}
	for i := id; i <= id+more; i++ {
		if p.seen[i] {
			return pg, fmt.Errorf("it extends into page %d, which belongs to another page", i)
		}
		p.seen[i] = true
	}
	size := uint64(p.meta.pageSize)
	all, have := (1+more)*size, uint64(len(b))
	if have < all {
		b = append(b, make([]byte, all-have)...)
		if err := p.readAt(b[have:], id*size+have); err != nil {
			return pg, err
		}
	}
	return page{id: id, kind: order.Uint16(b[8:]), count: int(order.Uint16(b[10:])), data: b[:all]}, nil
}

// readAhead reads a page, and the pages behind it if it can.
func (p *pages) readAhead(id uint64) ([]byte, error) {
	size := uint64(p.meta.pageSize)
	b := p.makeRoom(int(ahead * size))
	if id+ahead <= p.meta.pages && p.readAt(b, id*size) == nil {
		return b, nil
	}
	b = b[:size]
	return b, p.readAt(b, id*size)
}

func (p *pages) makeRoom(size int) []byte {
	if p.room == nil {
		return make([]byte, size)
	}
	return p.room(size)
}

func (p *pages) readAt(b []byte, at uint64) error {
	_, err := p.file.ReadAt(b, int64(at))
	p.unreadable = p.unreadable || err != nil
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file ends before the end of the page")
	case err != nil:
		return fmt.Errorf("reading it: %w", err)
	}
	return nil
}

// element is one element of a leaf.
type element struct {
	page       uint64
	bucket     bool
	key, value []byte
	// leaf is all of the page, unless it lies within an element of another one.
	leaf []byte
}

// leafElement returns element i of a leaf, and where it ends in the page.
func (pg page) leafElement(i int) (e element, end int, err error) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(pg.data) {
		return e, 0, errors.New("it counts more elements than fit into it")
	}
	head := pg.data[at:]
	flags, pos, keySize, valueSize := order.Uint32(head), uint64(order.Uint32(head[4:])), uint64(order.Uint32(head[8:])), uint64(order.Uint32(head[12:]))
	from := uint64(at) + pos
	if from+keySize+valueSize > uint64(len(pg.data)) {
		return e, 0, fmt.Errorf("element %d extends beyond its end", i)
	}
	if flags > bucketElement {
		return e, 0, fmt.Errorf("element %d has an unknown kind", i)
	}
	rest := pg.data[from:]
	e = element{page: pg.id, bucket: flags == bucketElement, key: rest[:keySize:keySize], value: rest[keySize : keySize+valueSize : keySize+valueSize]}
	if !pg.inline {
		e.leaf = pg.data
	}
	return e, int(from + keySize + valueSize), nil
}

// branchElement returns the lowest key below element i of a branch, and the
// page that it leads to.
func (pg page) branchElement(i int) (key []byte, child uint64, end int, err error) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(pg.data) {
		return nil, 0, 0, errors.New("it counts more elements than fit into it")
	}
	head := pg.data[at:]
	from, size := uint64(at)+uint64(order.Uint32(head)), uint64(order.Uint32(head[4:]))
	if from+size > uint64(len(pg.data)) {
		return nil, 0, 0, fmt.Errorf("element %d extends beyond its end", i)
	}
	return pg.data[from : from+size : from+size], order.Uint64(head[8:]), int(from + size), nil
}

// fits reports whether a page that is used up to end needs as many pages as it
// says.
func (pg page) fits(end, pageSize int) bool {
	return (max(end, pageHeader)+pageSize-1)/pageSize*pageSize == len(pg.data)
}

// bounds are the keys that a page may hold: the first key, or nil for any, and
// the key that all must precede, or nil at the end of a bucket.
type bounds struct{ first, before []byte }

// hold reports whether a key that follows last is in its place. bbolt takes the
// first key of a page for the one that leads to it: if they differ, the next
// write would lead there twice.
func (b bounds) hold(key, last []byte) bool {
	inOrder := string(key) == string(b.first) || b.first == nil
	if last != nil {
		inOrder = string(key) > string(last)
	}
	return inOrder && (b.before == nil || string(key) < string(b.before))
}

// walk yields the elements below a page in the order of their keys.
func (p *pages) walk(id uint64, b bounds, visit func(element)) {
	pg, ok := p.read(id)
	if !ok {
		return
	}
	switch pg.kind {
	case branchPage:
		p.walkBranch(pg, b, visit)
	case leafPage:
		if end := p.walkLeaf(pg, b, visit); end > 0 && !pg.fits(end, int(p.meta.pageSize)) {
			p.fault(Fault{Page: id, Msg: "it spans another number of pages than it needs"})
		}
	default:
		p.fault(Fault{Page: id, Msg: fmt.Sprintf("it should hold groups, but its kind is %#x", pg.kind)})
	}
}

func (p *pages) walkBranch(pg page, b bounds, visit func(element)) {
	type child struct {
		key  []byte
		page uint64
	}
	children := make([]child, 0, pg.count)
	last := 0
	for i := range pg.count {
		key, id, end, err := pg.branchElement(i)
		if err != nil {
			p.fault(Fault{Page: pg.id, Msg: err.Error()})
			return
		}
		children = append(children, child{key, id})
		last = max(last, end)
	}
	if len(children) == 0 {
		p.fault(Fault{Page: pg.id, Msg: "it leads to no page"})
	}
	if !pg.fits(last, int(p.meta.pageSize)) {
		p.fault(Fault{Page: pg.id, Msg: "it spans another number of pages than it needs"})
	}
	var previous []byte
	for i, c := range children {
		below := bounds{c.key, b.before}
		if i+1 < len(children) {
			below.before = children[i+1].key
		}
		if !b.hold(c.key, previous) || below.before != nil && string(below.before) <= string(c.key) {
			p.fault(Fault{Page: pg.id, Msg: misplaced(i)})
			below = bounds{before: b.before} // its groups may be intact
		}
		previous = c.key
		p.walk(c.page, below, visit)
	}
}

func misplaced(i int) string {
	if i == 0 {
		return "its first key differs from the one that leads to it"
	}
	return fmt.Sprintf("the key of element %d is out of order", i)
}

// walkLeaf returns where the content of the page ends, or 0 if that is unknown.
func (p *pages) walkLeaf(pg page, b bounds, visit func(element)) (last int) {
	var previous []byte
	for i := range pg.count {
		e, end, err := pg.leafElement(i)
		if err != nil {
			p.fault(Fault{Page: pg.id, Msg: err.Error()})
			return 0
		}
		if !b.hold(e.key, previous) {
			p.fault(Fault{Page: pg.id, Msg: misplaced(i)})
		}
		previous = e.key
		last = max(last, end)
		visit(e)
	}
	return max(last, pageHeader)
}

// bucket returns the elements of the bucket in an element of the root. Small
// buckets lie within the element itself.
func (p *pages) bucket(e element, visit func(element)) {
	const header = 16 // the root page, and a sequence number that is not used
	if !e.bucket || len(e.value) < header {
		p.fault(Fault{Page: e.page, Msg: fmt.Sprintf("%q is not a bucket", excerpt.Of(string(e.key)))})
		return
	}
	if root := order.Uint64(e.value); root != 0 {
		p.walk(root, bounds{}, visit)
		return
	}
	inline := e.value[header:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		p.fault(Fault{Page: e.page, Msg: fmt.Sprintf("the bucket %q is cut off", excerpt.Of(string(e.key)))})
		return
	}
	p.walkLeaf(page{id: e.page, kind: leafPage, count: int(order.Uint16(inline[10:])), data: inline, inline: true}, bounds{}, visit)
}
