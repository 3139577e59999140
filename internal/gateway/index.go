package gateway

import (
	"github.com/tidwall/btree"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

const typeCount = int(metric.GaugeHistogram) + 1

// index is the working state behind the view, and knows per name what a check
// needs. Gateway.mu guards all of it.
type index struct {
	families map[string]*indexed
	pending  map[grouping.Key]*pending // with claims: a change of this process, and those of others that are just applied
	unknown  map[grouping.Key]*pending // changes of this process of which the journal does not know yet whether they have happened
	shapes   shapes
	claims   uint64 // provisional claims placed so far
	explicit int    // groups with instance="" in their key, without which there are no twins

	groups   *btree.Map[grouping.Key, *Group]
	failures failures // of those groups that have nothing else
	// muted are groups that leave their times to their twins.
	muted     *btree.Map[grouping.Key, struct{}]
	deadlines *btree.BTreeG[deadline] // of those groups that have one
	// ghosts are groups that have expired, and of which the journal may still
	// have this record.
	ghosts map[grouping.Key]*Group
	// freed are groups that may be changed again, as it is known now what has
	// become of the change before.
	freed []grouping.Key
	// discarded are entries of series indexes that nobody needs any more.
	discarded []*seriesEntry

	exposed *btree.Map[string, *Family]
	stale   []*indexed // those of which exposed does not have the present state
	view    View       // the numbers of the next one
}

// indexed is what the index knows of one name.
type indexed struct {
	name     string
	reserved *metric.Type // of the gateway's own family of this name
	pending  [typeCount]int32
	byType   [typeCount]*holders
	shapes   shapeSet
	hidden   bool // an older name collides by suffix
	equal    map[sharedSeries]*sharers
	lonely   []sharedSeries                     // those of equal that may have no group
	leftOut  map[grouping.Key]*exposition.Block // because of equal
	helpTold bool
	stale    bool // in index.stale
	counted  int  // how many of its holders view.LeftOut has
}

// holders are the groups that have a name with one type.
type holders struct {
	blocks    *btree.Map[grouping.Key, *exposition.Block] // but for those in leftOut
	claims    *btree.BTreeG[claim]
	series    int
	notLegacy int
	protoSize int
}

// claim is a place in the order in which names have been taken.
type claim struct {
	revision Revision
	key      grouping.Key
}

func (c claim) less(d claim) bool {
	if c.revision != d.revision {
		return c.revision < d.revision
	}
	return c.key < d.key
}

// pending is a change on its way to the journal, or of another member on its way
// from there. Each has its own claims, whoever else changes the same group.
type pending struct {
	key    grouping.Key
	group  *Group              // nil if the group ends
	brings []*exposition.Block // what claims are placed for
	// fresh is what of each of brings is new: all of it, or what was merged into
	// what the group had. Only the change itself uses it.
	fresh []*exposition.Block
	own   bool // made here
	fate  fate
	next  *pending // another one of the same group that has claims
	shape *shape   // nil if it has no claims
	// indexes are those in which the series of each of brings must be found, nil
	// where none is needed.
	indexes []*seriesIndex
	// claim is the place of the change among those on their way, 0 until it can
	// be found.
	claim uint64
	// searched is set when the groups have been found that have its series too.
	searched bool
}

// fate is what has become of a change.
type fate uint8

const (
	underWay fate = iota
	unknown       // nobody else may change the group meanwhile
	happened
	void
)

func newIndex(reserved map[string]metric.Type, limits Limits) *index {
	x := &index{
		families:  make(map[string]*indexed),
		pending:   make(map[grouping.Key]*pending),
		unknown:   make(map[grouping.Key]*pending),
		failures:  newFailures(limits),
		groups:    btree.NewMap[grouping.Key, *Group](treeDegree),
		muted:     btree.NewMap[grouping.Key, struct{}](treeDegree),
		exposed:   btree.NewMap[string, *Family](treeDegree),
		ghosts:    make(map[grouping.Key]*Group),
		deadlines: btree.NewBTreeGOptions(deadline.less, btree.Options{NoLocks: true}),
	}
	for name, t := range reserved {
		x.family(name).reserved = &t
	}
	return x
}

// treeDegree makes nodes small enough to be copied for a push after each scrape.
const treeDegree = 8

// family gives what is known of a name, making room for it if need be.
func (x *index) family(name string) *indexed {
	f := x.families[name]
	if f == nil {
		f = &indexed{name: name}
		x.families[name] = f
	}
	return f
}

// forget drops a name that nobody has any more.
func (x *index) forget(f *indexed) {
	if x.families[f.name] == f && f.reserved == nil && f.total() == 0 && f.pending == [typeCount]int32{} && f.shapes.len() == 0 {
		x.publish(f)
		delete(x.families, f.name)
	}
}

// len is how many groups hold the name with this type.
func (h *holders) len() int {
	if h == nil {
		return 0
	}
	return h.claims.Len()
}

// total is how many groups hold the name.
func (f *indexed) total() int {
	n := 0
	for _, h := range f.byType {
		n += h.len()
	}
	return n
}

// oldest is the oldest claim of the holders.
func (h *holders) oldest() claim {
	c, _ := h.claims.Min()
	return c
}

// winner is the type that is exposed: that of the oldest claim, which for a
// family of the gateway itself is its own.
func (f *indexed) winner() (t metric.Type, oldest claim, ok bool) {
	if f.reserved != nil {
		return *f.reserved, claim{}, true
	}
	for i, h := range f.byType {
		if h.len() > 0 && (!ok || h.oldest().less(oldest)) {
			t, oldest, ok = metric.Type(i), h.oldest(), true
		}
	}
	return t, oldest, ok
}

func newHolders() *holders {
	return &holders{
		blocks: btree.NewMap[grouping.Key, *exposition.Block](treeDegree),
		claims: btree.NewBTreeGOptions(claim.less, btree.Options{NoLocks: true, Degree: treeDegree}),
	}
}

// hold notes that a group has a block now.
func (f *indexed) hold(key grouping.Key, h *Held) {
	t := f.byType[h.Type]
	if t == nil {
		t = newHolders()
		f.byType[h.Type] = t
	}
	t.claims.Set(claim{h.Claim, key})
	t.expose(key, h.Block)
}

// drop notes that a group no longer has a block.
func (f *indexed) drop(key grouping.Key, h *Held) {
	t := f.byType[h.Type]
	t.claims.Delete(claim{h.Claim, key})
	t.hide(key)
	delete(f.leftOut, key)
	if t.len() == 0 {
		f.byType[h.Type] = nil
	}
}

// swap replaces the block of a group that keeps its claim.
func (f *indexed) swap(key grouping.Key, h *Held) {
	if _, out := f.leftOut[key]; out {
		f.leftOut[key] = h.Block
		return
	}
	f.byType[h.Type].expose(key, h.Block)
}

func (h *holders) expose(key grouping.Key, b *exposition.Block) {
	old, replaced := h.blocks.Set(key, b)
	if replaced {
		h.count(old, -1)
	}
	h.count(b, +1)
}

func (h *holders) hide(key grouping.Key) *exposition.Block {
	b, ok := h.blocks.Delete(key)
	if ok {
		h.count(b, -1)
	}
	return b
}

func (h *holders) count(b *exposition.Block, sign int) {
	h.series += sign * b.Series()
	h.protoSize += sign * b.DelimitedSize()
	if !b.Legacy {
		h.notLegacy += sign
	}
}
