package gateway

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Group is everything pushed under one grouping key. It is immutable once it
// was passed to a journal or to the engine. The engine keeps a copy that has
// its revisions.
type Group struct {
	Key      grouping.Key
	Step     uint64    // numbers the states of all groups in the order in which they were applied here; set then
	Families []Held    // sorted by name
	Pushed   time.Time // the last successful push; zero if there was none
	Failed   time.Time // the last refused push; zero if there was none
	Failure  string    // why that push was refused; empty if unknown
	Failing  bool      // whether the last push was refused; Stamp defines which push is the last
	FailedBy string    // the client that the failures count for if there was no good push; empty if unknown
	Expires  time.Time // when the group expires; zero if never
	Since    Revision  // the revision that created the group; 0 if it has only failures
	Revision Revision  // of its last change; a stamp is not a change
	Series   int       // number of series in all families
	Text     int       // size of their lines in bytes
	TooLong  int       // series too long for Prometheus; see exposition.Block
	Runs     []byte    // the history of a job's runs, encoded; immutable; nil if there is none
	// Repeats is a group of the same families with the same series, but other
	// values, or nil if none is known. A journal may set it to what was stored when
	// it read a change of another member, which is then applied faster.
	Repeats *Group

	firstEnd int64 // when the first series ends, in Unix ns; 0 if none does

	// pushTime, failTime and expiryTime are the families that the gateway adds to
	// each group. expiryTime is nil if Expires is zero.
	pushTime, failTime, expiryTime *exposition.Block

	shape *shape // set when applied
	job   *job   // likewise
}

// Held is what a group has of one family. A family without series claims
// nothing. It is only kept for the JSON API of 1.11.
type Held struct {
	*exposition.Block
	Pushed time.Time // time of the push that brought it
	// Claim is the revision since which the group has held this name with this
	// type. If two groups cannot both be exposed, the one with the older claim is
	// exposed.
	Claim Revision
	// Took means that the push that made the claim took the name from groups that
	// nobody had pushed to for long. Such a claim comes before all others; of two,
	// the newer one comes first.
	Took bool
	// Ends says which of its series end by themselves. It is nil if none does.
	Ends *Ends

	entry *seriesEntry // of its series; nil if no index has them
}

// Restore returns a group with the exported fields that a record or a file has;
// it computes Failing, Series, Text and TooLong. The families must be sorted by
// name, without duplicates. Claims and Since are 0 if unknown. Failing is set
// by comparing Failed with Pushed, which must come from one clock. FailedBy is
// cleared unless the group has only failures.
func Restore(g Group) *Group { return RestoreLike(nil, g) }

// RestoreLike is Restore for a group with the key of old, which may be nil. It
// shares with old what is the same.
func RestoreLike(old *Group, g Group) *Group {
	g.Failing = g.Failed.After(g.Pushed)
	if !g.failedOnly() {
		g.FailedBy = ""
	}
	return g.finish(old)
}

// failedOnly reports whether the group has only failures. Such a group claims
// neither its key nor a name.
func (g *Group) failedOnly() bool { return g.Pushed.IsZero() && len(g.Families) == 0 }

// hasNothing reports whether nothing was ever pushed to the group. g may be nil.
func (g *Group) hasNothing() bool { return g == nil || g.failedOnly() }

// since returns Since, or 0 for a nil group.
func (g *Group) since() Revision {
	if g == nil {
		return 0
	}
	return g.Since
}

// LastPushSuccessful reports whether the last push was stored.
func (g *Group) LastPushSuccessful() bool { return !g.Failing }

// Find returns what the group has of a family, or nil. It is safe on a nil
// group.
func (g *Group) Find(name string) *Held {
	if g == nil {
		return nil
	}
	// It reads only names, because apply may be setting the claims of a copy.
	i := sort.Search(len(g.Families), func(i int) bool { return g.Families[i].Name >= name })
	if i == len(g.Families) || g.Families[i].Name != name {
		return nil
	}
	return &g.Families[i]
}

// findSeries is Find for families that have series.
func (g *Group) findSeries(name string) *Held { return withSeries(g.Find(name)) }

// entryOf returns the entry of the series that a group, which may be nil, has
// of a family.
func (g *Group) entryOf(name string) *seriesEntry {
	if h := g.Find(name); h != nil {
		return h.entry
	}
	return nil
}

// withSeries returns h if it has series, or else nil. h may be nil.
func withSeries(h *Held) *Held {
	if h == nil || h.Block.Series() == 0 {
		return nil
	}
	return h
}

// Blocks iterates over the families. It is safe on a nil group.
func (g *Group) Blocks() iter.Seq[*exposition.Block] {
	return func(yield func(*exposition.Block) bool) {
		for i := 0; g != nil && i < len(g.Families); i++ {
			if !yield(g.Families[i].Block) {
				return
			}
		}
	}
}

// PushTime returns the family push_time_seconds of the group.
func (g *Group) PushTime() *exposition.Block { return g.pushTime }

// FailureTime returns the family push_failure_time_seconds of the group.
func (g *Group) FailureTime() *exposition.Block { return g.failTime }

// ExpiryTime returns the family push_expiry_time_seconds of the group, or nil
// if the group does not expire.
func (g *Group) ExpiryTime() *exposition.Block { return g.expiryTime }

// Times returns the families that the gateway makes for the group, sorted by
// name.
func (g *Group) Times() []*exposition.Block {
	if g.expiryTime == nil {
		return []*exposition.Block{g.failTime, g.pushTime}
	}
	return []*exposition.Block{g.expiryTime, g.failTime, g.pushTime}
}

// The help texts of the time families. The first two are those of Pushgateway
// 1.11.
const (
	PushTimeHelp    = "Last Unix time when changing this group in the Pushgateway succeeded."
	FailureTimeHelp = "Last Unix time when changing this group in the Pushgateway failed."
	ExpiryTimeHelp  = "Unix time when this group will expire unless it is pushed to before."
)

// finish sets the derived fields. It reuses the blocks of unchanged times from
// old, which may be nil.
func (g *Group) finish(old *Group) *Group {
	g.Series, g.Text, g.TooLong, g.firstEnd = 0, 0, 0, 0
	for _, h := range g.Families {
		if h.Ends != nil && (g.firstEnd == 0 || h.Ends.first < g.firstEnd) {
			g.firstEnd = h.Ends.first
		}
		g.Series += h.Block.Series()
		g.Text += len(h.Block.Text())
		g.TooLong += h.Block.TooLong()
	}
	if old == nil {
		old = new(Group)
	}
	g.pushTime = g.timeBlock(old.pushTime, metric.PushTime, PushTimeHelp, old.Pushed, g.Pushed)
	g.failTime = g.timeBlock(old.failTime, metric.PushFailureTime, FailureTimeHelp, old.Failed, g.Failed)
	g.expiryTime = nil
	if !g.Expires.IsZero() {
		g.expiryTime = g.timeBlock(old.expiryTime, metric.PushExpiryTime, ExpiryTimeHelp, old.Expires, g.Expires)
	}
	return g
}

// takeApart gives blocks memory of their own if the group lacks some of those that
// they share it with. Otherwise a block of a few bytes could keep the memory of a
// large push. Budget, which may be nil, provides the memory. Nobody else may have
// the group's families.
func (g *Group) takeApart(budget exposition.Budget) error {
	if len(g.Families) == 0 || g.isOnePush() {
		return nil
	}
	var has map[*exposition.Block]int // by the first
	for _, h := range g.Families {
		if n, first := h.Mates(); n > 0 {
			if has == nil {
				has = make(map[*exposition.Block]int)
			}
			has[first]++
		}
	}
	for i := range g.Families {
		h := &g.Families[i]
		n, first := h.Mates()
		if n == 0 || n == has[first] {
			continue
		}
		var err error
		if h.Block, err = apart(h.Block, budget); err != nil {
			return err
		}
	}
	return nil
}

// apart returns a block with memory of its own. Budget, which may be nil, provides
// it.
func apart(b *exposition.Block, budget exposition.Budget) (*exposition.Block, error) {
	if n, _ := b.Mates(); n > 0 && budget != nil {
		if err := budget.Take(len(b.Text())); err != nil {
			return nil, err
		}
	}
	return b.Apart(), nil
}

// isOnePush reports whether all blocks share memory, and no others with them.
func (g *Group) isOnePush() bool {
	n, first := g.Families[0].Mates()
	if n != len(g.Families) {
		return false
	}
	for i := range g.Families {
		if _, f := g.Families[i].Mates(); f != first {
			return false
		}
	}
	return true
}

// timeBlock returns the block of a time. It reuses before, the block made of
// was, if the time is the same. before may be nil.
func (g *Group) timeBlock(before *exposition.Block, name, help string, was, is time.Time) *exposition.Block {
	if before != nil && was.Equal(is) {
		return before
	}
	if like := cmp.Or(before, g.pushTime); like != nil { // it has the labels
		return like.Gauge(name, help, unixSeconds(is))
	}
	return exposition.RenderGauge(name, help, g.Key.Labels(), unixSeconds(is))
}

func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

// pushed returns the result of a push to old, which may be nil. The blocks are
// sorted by name.
func pushed(old *Group, p Push, at time.Time) *Group {
	g := &Group{Key: p.Key, Pushed: at}
	if p.TTL > 0 {
		g.Expires = at.Add(p.TTL).Round(0) // by the wall clock
	}
	if old != nil {
		g.Failed, g.Failure, g.Since, g.Runs = old.Failed, old.Failure, old.Since, old.Runs
	}
	brought := make([]Held, len(p.Blocks))
	var before []Held
	if old != nil {
		before = old.Families
	}
	for i, b := range p.Blocks {
		for len(before) > 0 && before[0].Name < b.Name {
			before = before[1:]
		}
		brought[i] = Held{Block: b, Pushed: at, Ends: p.endsOf(i)}
		brought[i].Claim, brought[i].Took = claimOf(before, b)
	}
	g.Families = brought
	if old != nil && p.Mode != Replace {
		g.Families = merge(old.Families, brought)
	}
	if p.Mode == Sum {
		emptied := func(h Held) bool { return h.Block.Series() == 0 && h.Pushed.Equal(at) } // by Push.Removes
		g.Families = slices.DeleteFunc(g.Families, emptied)
	}
	g.expireWithSeries()
	return g.finish(old)
}

// claimOf returns the claim that a group keeps by pushing b, or 0 for a new
// one, and whether the claim took the name.
func claimOf(before []Held, b *exposition.Block) (r Revision, took bool) {
	if len(before) > 0 && before[0].Name == b.Name && before[0].Type == b.Type && before[0].Series() > 0 {
		return before[0].Claim, before[0].Took
	}
	return 0, false
}

// merge returns the union of two sorted lists. brought wins.
func merge(old, brought []Held) []Held {
	out := make([]Held, 0, len(old)+len(brought))
	for len(old) > 0 && len(brought) > 0 {
		switch order := strings.Compare(old[0].Name, brought[0].Name); {
		case order < 0:
			out, old = append(out, old[0]), old[1:]
		case order > 0:
			out, brought = append(out, brought[0]), brought[1:]
		default:
			old = old[1:]
		}
	}
	return append(append(out, old...), brought...)
}

// stamped returns the result of a stamp on old, which may be nil.
func stamped(old *Group, s Stamp) *Group {
	g := &Group{Key: s.Key}
	if old != nil {
		*g = *old
	}
	g.Failed, g.Failure, g.Failing = s.At, s.Reason, s.Against >= g.Revision
	if g.failedOnly() {
		g.FailedBy = s.FailedBy
	}
	return g.finish(old)
}
