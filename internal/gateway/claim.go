package gateway

import (
	"cmp"
	"math"

	"pushgateway/internal/grouping"
)

// claim is a place in the order of claims: older ones come first. Claims that
// took a name come before all others, and of these the newer ones. So the order
// follows from what is stored, and all members agree on it.
type claim struct {
	revision Revision
	key      grouping.Key
	took     bool
}

// own is the claim of the gateway's own families. asked is the claim that a
// check asks for. The others are the claims of pending changes: provisional is
// younger than every stored claim, and taking comes before them.
var (
	own         = claim{math.MaxUint64, "", true}
	taking      = claim{math.MaxUint64 - 1, "", true}
	provisional = claim{math.MaxUint64, "", false}
	asked       = claim{math.MaxUint64, "\xff", false}
)

// claim returns the claim of what the group key has.
func (h *Held) claim(key grouping.Key) claim { return claim{h.Claim, key, h.Took} }

func (c claim) less(d claim) bool {
	if order := c.compare(d); order != 0 {
		return order < 0
	}
	return c.key < d.key
}

// compare compares two claims without their keys. It returns a negative number
// if c is older.
func (c claim) compare(d claim) int {
	switch {
	case c.took && d.took:
		return cmp.Compare(d.revision, c.revision)
	case c.took:
		return -1
	case d.took:
		return +1
	}
	return cmp.Compare(c.revision, d.revision)
}

// isPending reports whether the claim is that of a pending change.
func (c claim) isPending() bool { return c == provisional || c == taking }

// since returns the revision of a name's oldest claim, or 0 for the gateway's
// own families.
func (f *indexed) since(oldest claim) Revision {
	if f.reserved != nil {
		return 0
	}
	return oldest.revision
}
