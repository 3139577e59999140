package gateway

import (
	"sync/atomic"

	"github.com/tidwall/btree"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

const typeCount = int(metric.GaugeHistogram) + 1

// index is the working state behind the view, with what the checks need for
// each name. Gateway.mu guards all of it.
type index struct {
	families map[string]*indexed
	pending  map[grouping.Key]*pending // changes with claims: of this process, and of other members while they are applied
	unknown  map[grouping.Key]*pending // changes of this process whose outcome is not known yet
	shapes   shapes
	stock    stock
	claims   uint64 // number of provisional claims placed so far
	runs     int64  // bytes of the runs of all groups
	explicit int    // groups with instance="" in their key; without them there are no twins

	groups   *btree.Map[grouping.Key, *Group]
	failures failures // groups that have only failures
	// muted are groups whose times are hidden by those of their twins.
	muted     *btree.Map[grouping.Key, struct{}]
	deadlines *btree.BTreeG[deadline] // deadlines of the groups that have one
	endings   *btree.BTreeG[deadline] // when the first series of each group ends that has such
	// ghosts are expired groups whose record the journal may still have, in the
	// order of their keys, since journals write neighbors together.
	ghosts *btree.Map[grouping.Key, ghost]
	// storedChanges are those of groups and ghosts.
	storedChanges changes[storedChange]
	mass          *mass // whose groups are gone, but not all that is left of them; or nil
	receipts      receipts
	// freed are groups that may change again, because the outcome of their change
	// is now known.
	freed []grouping.Key
	// discarded are entries of series indexes that are no longer needed.
	discarded []*seriesEntry
	// hasDiscarded reports whether there are any. It is read without mu.
	hasDiscarded atomic.Bool

	exposed *btree.Map[string, *Family]
	stale   []*indexed // names whose state in exposed is out of date
	view    View       // the numbers of the next view
}

// indexed is what the index knows about one name.
type indexed struct {
	name     string
	reserved *metric.Type // type of the gateway's own family of this name
	pending  [typeCount]int32
	byType   [typeCount]*holders
	shapes   shapeSet
	hidden   bool // whether an older name collides by suffix
	equal    map[sharedSeries]*sharers
	shares   map[grouping.Key][]*sharers // those of equal that each group is among
	lonely   []*sharers                  // those of equal that may have no group
	leftOut  map[grouping.Key]shadowed   // blocks left out because of equal
	taking   *[typeCount]int32           // how many of pending take the name from others; nil if none ever did
	helpTold bool
	stale    bool // is in index.stale
	changed  bool // is among the names that settle is for
	counted  int  // how many of its holders count in view.LeftOut
}

// holders are the groups that have a name with one type.
type holders struct {
	blocks *btree.Map[grouping.Key, *exposition.Block] // without those in leftOut
	claims *btree.BTreeG[claim]
	sizes
	changes changes[heldChange]
}

// sizes are those of the blocks of holders, together.
type sizes struct {
	series    int
	notLegacy int // number of blocks
	protoSize int
}

// heldChange is a change of the blocks of holders, or of their claims.
type heldChange struct {
	key    grouping.Key
	block  *exposition.Block // nil if there is none any more
	claim  claim
	claims int // +1 if the claim is new, -1 if it is gone, 0 if this is about the block
}

// shadowed is a block that is left out because of a series.
type shadowed struct {
	*exposition.Block
	by *sharers
}

// pending is a change in progress: one on its way to the journal, or one of
// another member while it is applied. Each change has its own claims, even if
// several change the same group.

type pending struct {
	key    grouping.Key
	group  *Group              // nil if the group ends
	brings []*exposition.Block // the blocks whose claims are placed
	// fresh is what is new in each block of brings: all of it, or what was merged
	// into the group's block. Only the goroutine of the change uses it.
	fresh []*exposition.Block
	// keeps are blocks whose names are claimed, too: those that the change keeps of a
	// group that has expired since it began.
	keeps []*exposition.Block
	// takes has, for each block of brings that takes its name, one of the groups
	// that have to give it up, or else "". It is nil if there are none.
	takes []grouping.Key
	// since is the Since of the group that the change was made from. It is 0 if
	// there was no group, or one with only failures.
	since Revision
	own   bool // made by this process
	// alone is set for a change of another member if no group of another shape has
	// any of its names. Then no group shares a series with it, and it has no
	// provisional claims. only is the shape of its group, or nil if no group has it.
	alone bool
	only  *shape
	fate  fate
	next  *pending // another change of the same group that has claims
	shape *shape   // nil if it has no claims
	job   *job     // nil if nothing is reserved
	adds  tally    // what is reserved
	// receipts is the number of receipts for which there is room.
	receipts int
	// indexes are the indexes that must contain the series of each block in
	// brings, or nil where none is needed.
	indexes []*seriesIndex
	// claim is the place of the change among the pending ones, or 0 until others
	// can find the change.
	claim uint64
	// rivals are what it must be compared with, once it has that place.
	rivals []rivals
	// searched is set once the groups that share its series have been found.
	searched bool
}

// fate is the outcome of a change.
type fate uint8

const (
	underWay fate = iota
	unknown       // the group stays locked
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
		ghosts:    btree.NewMap[grouping.Key, ghost](treeDegree),
		receipts:  newReceipts(),
		deadlines: btree.NewBTreeGOptions(deadline.less, btree.Options{NoLocks: true}),
		endings:   btree.NewBTreeGOptions(deadline.less, btree.Options{NoLocks: true}),
	}
	for name, t := range reserved {
		x.family(name).reserved = &t
	}
	return x
}

// treeDegree keeps nodes small, since a push after a scrape copies them.
const treeDegree = 8

// family returns what is known about a name, creating it if necessary.
func (x *index) family(name string) *indexed {
	f := x.families[name]
	if f == nil {
		f = &indexed{name: name}
		x.families[name] = f
	}
	return f
}

// forget drops a name that no group has any more.
func (x *index) forget(f *indexed) {
	if x.families[f.name] == f && f.reserved == nil && f.total() == 0 && f.pending == [typeCount]int32{} && f.shapes.len() == 0 {
		x.publish(f)
		delete(x.families, f.name)
	}
}

// len returns how many groups hold the name with this type.
func (h *holders) len() int {
	if h == nil {
		return 0
	}
	return h.claims.Len()
}

// total returns how many groups hold the name.
func (f *indexed) total() int {
	n := 0
	for _, h := range f.byType {
		n += h.len()
	}
	return n
}

// oldest returns the oldest claim of the holders.
func (h *holders) oldest() claim {
	c, _ := h.claims.Min()
	return c
}

// winner returns the type that is exposed: that of the oldest claim. A family
// of the gateway itself has the gateway's type.
func (f *indexed) winner() (t metric.Type, oldest claim, ok bool) {
	if f.reserved != nil {
		return *f.reserved, own, true
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

// hold records that a group has a block now.
func (f *indexed) hold(key grouping.Key, h *Held) {
	t := f.byType[h.Type]
	if t == nil {
		t = newHolders()
		f.byType[h.Type] = t
	}
	t.hold(h.claim(key), h.Block)
}

// hold adds a claim and its block. A replay brings them in the order of their keys,
// and adding behind all others needs no search.
func (h *holders) hold(c claim, b *exposition.Block) {
	if last, ok := h.claims.Max(); ok && last.less(c) {
		h.claims.Load(c)
	} else {
		h.claims.Set(c)
	}
	h.changes.note(heldChange{claim: c, claims: +1})
	if last, _, ok := h.blocks.Max(); ok && last < c.key {
		h.blocks.Load(c.key, b)
		h.count(b, +1)
		h.changes.note(heldChange{key: c.key, block: b})
		return
	}
	h.expose(c.key, b)
}

// drop records that a group no longer has a block.
func (f *indexed) drop(key grouping.Key, h *Held) {
	t := f.byType[h.Type]
	t.claims.Delete(h.claim(key))
	t.changes.note(heldChange{claim: h.claim(key), claims: -1})
	t.hide(key)
	delete(f.leftOut, key)
	if t.len() == 0 {
		f.byType[h.Type] = nil
	}
}

// swap replaces the block of a group that keeps its claim.
func (f *indexed) swap(key grouping.Key, h *Held) {
	if s, out := f.leftOut[key]; out {
		f.leftOut[key] = shadowed{h.Block, s.by}
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
	h.changes.note(heldChange{key: key, block: b})
}

func (h *holders) hide(key grouping.Key) *exposition.Block {
	b, ok := h.blocks.Delete(key)
	if ok {
		h.count(b, -1)
		h.changes.note(heldChange{key: key})
	}
	return b
}

func (s *sizes) count(b *exposition.Block, sign int) {
	s.series += sign * b.Series()
	s.protoSize += sign * b.DelimitedSize()
	if !b.Legacy {
		s.notLegacy += sign
	}
}

func (s *sizes) subtract(of sizes) {
	s.series -= of.series
	s.protoSize -= of.protoSize
	s.notLegacy -= of.notLegacy
}

// haunt makes a group a ghost.
func (x *index) haunt(key grouping.Key, left ghost) {
	x.ghosts.Set(key, left)
	x.storedChanges.note(storedChange{key: key, ghost: left, of: newGhost})
}

// lay ends a ghost, if there is one.
func (x *index) lay(key grouping.Key) {
	x.ghosts.Delete(key)
	x.storedChanges.note(storedChange{key: key, of: noGhost})
}
