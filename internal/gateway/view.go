package gateway

import (
	"iter"
	"time"

	"github.com/tidwall/btree"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// View is an immutable state of all groups. It is safe for concurrent use.
// Keeping one costs only the memory of what has changed since.
type View struct {
	Revision Revision
	// Step is that of the latest state of a group. Groups with a higher one than that
	// of an earlier view have changed since, also in a way that has no revision.
	Step uint64
	// TooLong is the number of stored series that are not exposed because their
	// names or labels are too long for Prometheus.
	TooLong int
	// Series is the number of series in all groups, including those left out.
	Series int
	// Held is the number of families of all groups, counted for each group.
	Held int
	// LeftOut is how many of these are not exposed, because another group has an
	// older claim.
	LeftOut int
	// Expired is how many groups have expired since the start.
	Expired uint64
	// SeriesExpired is how many series have ended by themselves since the start, apart
	// from those of groups that have expired.
	SeriesExpired uint64

	groups   *btree.Map[grouping.Key, *Group]
	families *btree.Map[string, *Family]
	times    Times // numbers of the exposed time families
	// muted are the groups whose times are hidden.
	muted    *btree.Map[grouping.Key, struct{}]
	receipts *btree.BTreeG[Receipt] // nil if there are none
	expiry   int64                  // when the first of its groups expires, in Unix ns
	until    int64                  // when the first of its groups and series ends, likewise
}

// Family is one exposed family: a type, and a block of each group.
type Family struct {
	Name   string
	Type   metric.Type
	Claim  Revision // the oldest claim of its groups
	Series int
	// NotLegacy is the number of blocks with names that escaping changes.
	NotLegacy int
	// ProtoSize is the size of the protobuf of all blocks, in bytes.
	ProtoSize int

	blocks *btree.Map[grouping.Key, *exposition.Block]
}

// Groups returns the number of groups.
func (v *View) Groups() int { return v.groups.Len() }

// Group returns a group, or nil.
func (v *View) Group(key grouping.Key) *Group {
	g, _ := v.groups.Get(key)
	return g
}

// NextExpiry returns when the next group expires, or zero if none does.
func (v *View) NextExpiry() time.Time {
	if v.expiry == never {
		return time.Time{}
	}
	return time.Unix(0, v.expiry)
}

// EachGroup iterates over the groups in the order of their keys, starting after
// the key after; "" starts at the beginning.
func (v *View) EachGroup(after grouping.Key) iter.Seq[*Group] {
	return func(yield func(*Group) bool) {
		v.groups.Ascend(after, func(key grouping.Key, g *Group) bool {
			return key == after || yield(g)
		})
	}
}

// EachFamily iterates over the exposed families in the order of their names.
func (v *View) EachFamily() iter.Seq[*Family] {
	return func(yield func(*Family) bool) {
		v.families.Scan(func(_ string, f *Family) bool { return yield(f) })
	}
}

// Family returns an exposed family, or nil.
func (v *View) Family(name string) *Family {
	f, _ := v.families.Get(name)
	return f
}

// First returns the block of the lowest grouping key, whose help text is
// exposed.
func (f *Family) First() *exposition.Block {
	_, b, _ := f.blocks.Min()
	return b
}

// Blocks iterates over the blocks of the family in the order of their groups'
// keys.
func (f *Family) Blocks() iter.Seq2[grouping.Key, *exposition.Block] {
	return func(yield func(grouping.Key, *exposition.Block) bool) { f.blocks.Scan(yield) }
}

// Exposes reports whether the view exposes what the group has of a family.
func (v *View) Exposes(g *Group, h *Held) bool {
	f := v.Family(h.Name)
	if f == nil {
		return false
	}
	b, _ := f.blocks.Get(g.Key)
	return b == h.Block
}

// ExposesTimes reports whether the times of the group are exposed. Those of
// {job="a"} and {job="a",instance=""} are the same series; if both groups
// exist, only one exposes them.
func (v *View) ExposesTimes(g *Group) bool {
	_, muted := v.muted.Get(g.Key)
	return !muted
}

// Times holds the numbers of the families that the gateway makes for each
// group.
type Times struct {
	Series    int // in each family
	NotLegacy int // blocks in each family with names that escaping changes
	// PushProto and FailureProto are the sizes of the blocks' protobuf, in bytes.
	PushProto, FailureProto int
	// The same for push_expiry_time_seconds, which not all groups have.
	Expiring, ExpiringNotLegacy, ExpiryProto int
}

// Times returns the numbers of the exposed time families.
func (v *View) Times() Times { return v.times }

func (t *Times) add(g *Group, sign int) {
	t.Series += sign
	t.PushProto += sign * g.pushTime.DelimitedSize()
	t.FailureProto += sign * g.failTime.DelimitedSize()
	if !g.pushTime.Legacy {
		t.NotLegacy += sign
	}
	if g.expiryTime == nil {
		return
	}
	t.Expiring += sign
	t.ExpiryProto += sign * g.expiryTime.DelimitedSize()
	if !g.expiryTime.Legacy {
		t.ExpiringNotLegacy += sign
	}
}
