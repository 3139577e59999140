// Package gateway is the engine: it keeps the last push of every group,
// checks that all of them can be exposed together, and shows their state as
// immutable views.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// ErrUnavailable is wrapped by errors about a journal that could not take a
// change; the same push may work later.
var ErrUnavailable = errors.New("the change could not be stored")

// errUnresolved is the answer to changes of a group while nobody knows what
// has become of the one before.
var errUnresolved = fmt.Errorf("%w: it is not known yet whether an earlier push to this group was", ErrUnavailable)

// Config says how a gateway works. The zero value of each field but Journal
// is useful.
type Config struct {
	// Journal makes changes durable. The gateway opens it, and closes it.
	Journal Journal
	// Reserved are the names and types of the gateway's own families.
	Reserved map[string]metric.Type
	// Unchecked takes pushes that cannot be exposed beside others; the oldest
	// claim is exposed.
	Unchecked bool
	// Limits bound each group.
	Limits Limits
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Logger gets what operators should know; nothing is logged if nil.
	Logger *slog.Logger
}

// Gateway is the engine. It is safe for concurrent use.
type Gateway struct {
	Config
	locks keyLocks
	// merging has a place for each large family that is being merged.
	merging chan struct{}
	// view is the present one, nil while nobody has asked for it. It is stored
	// under mu.
	view atomic.Pointer[View]

	// mu guards index. Nothing under it takes longer than looking up what a
	// change names: parsing, rendering and comparing happen outside.
	mu    sync.Mutex
	index *index

	// firstDeadline is when the next group ends, in Unix ns. It is stored under
	// mu.
	firstDeadline atomic.Int64
	expired       atomic.Uint64
	stop, reaped  chan struct{} // closed to end reap, and when it has ended
	closing       sync.Once

	failures    failures
	trimming    sync.Mutex // held by who ends groups of failures, before locks of groups
	helpDiffers atomic.Uint64
}

// Open replays the journal and gives a gateway that is ready.
func Open(ctx context.Context, c Config) (*Gateway, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{Config: c, index: newIndex(c.Reserved), merging: make(chan struct{}, runtime.GOMAXPROCS(0)), stop: make(chan struct{}), reaped: make(chan struct{})}
	g.firstDeadline.Store(never)
	if err := c.Journal.Open(ctx, g.apply); err != nil {
		return nil, err
	}
	g.failures.restore(g.View())
	if n := g.View().TooLong; n > 0 {
		g.Logger.Warn("Stored series are not exposed, because a name or a label of theirs is so long that it would end a Prometheus; push to their groups again with shorter ones", "series", n)
	}
	go g.reap()
	return g, nil
}

// Err tells why pushes would not be taken at present, nil if they would.
func (g *Gateway) Err() error { return g.Journal.Err() }

// Close closes the journal, after the changes under way.
func (g *Gateway) Close() error {
	g.closing.Do(func() { close(g.stop) })
	<-g.reaped
	return g.Journal.Close()
}

// View gives the present state, with everything that has been answered.
func (g *Gateway) View() *View {
	g.expire()
	if v := g.view.Load(); v != nil {
		return v
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.view.Load()
	if v == nil {
		v = g.index.makeView()
		g.view.Store(v)
	}
	return v
}

// Group gives a group of the present state, or nil, without a view to be made
// for it.
func (g *Gateway) Group(key grouping.Key) *Group {
	g.expire()
	g.mu.Lock()
	defer g.mu.Unlock()
	group, _ := g.index.groups.Get(key)
	return group
}

// HelpDiffers counts the families for which groups have pushed different help
// texts.
func (g *Gateway) HelpDiffers() uint64 { return g.helpDiffers.Load() }

// claim checks a change and places its provisional claims.
func (g *Gateway) claim(group, old *Group, brings []*exposition.Block) ([]suspect, error) {
	g.mu.Lock()
	if g.index.pending[group.Key] != nil {
		g.mu.Unlock()
		return nil, errUnresolved
	}
	if !g.Unchecked {
		if err := g.index.check(group, old, brings); err != nil {
			g.mu.Unlock()
			return nil, err
		}
	}
	p := g.index.place(group, brings)
	rivals := g.index.rivals(p)
	told := g.index.helpNews(brings)
	g.mu.Unlock()

	g.tellHelp(told)
	suspects := g.suspects(p, rivals, !g.Unchecked)
	if len(suspects) > 0 && !g.Unchecked {
		g.withdraw(group.Key)
		s := suspects[0]
		return nil, conflict(s.name, "group %s has a series with the same labels: %s; make them differ, or delete that group", nameOf(s.key), exposition.FormatSeries(s.name, s.labels))
	}
	return suspects, nil
}

func (g *Gateway) withdraw(key grouping.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.index.withdraw(key); p != nil {
		for _, b := range p.brings {
			g.index.forget(g.index.families[b.Name])
		}
	}
}

// commit hands one change to the journal, and concludes it.
func (g *Gateway) commit(ctx context.Context, c Change, old *Group) (retry bool, err error) {
	c.Against = g.against(c.Key, old)
	return g.conclude(c.Key, g.Journal.Commit(ctx, []Change{c})[0])
}

// Delete ends a group. To end one that does not exist is no error.
func (g *Gateway) Delete(ctx context.Context, key grouping.Key) error {
	defer g.locks.lock(key)()
	for {
		old := g.Group(key)
		if old == nil && g.against(key, nil) == 0 {
			return g.absent(key)
		}
		retry, err := g.commit(ctx, Change{Key: key}, old)
		if !retry {
			return err
		}
	}
}

// absent tells whether it is certain that a group does not exist.
func (g *Gateway) absent(key grouping.Key) error {
	g.mu.Lock()
	unresolved := g.index.pending[key] != nil
	g.mu.Unlock()
	if unresolved {
		return errUnresolved
	}
	return g.certain()
}

// certain tells whether what is seen here is what a crash would leave. It is
// not while the journal may hold pushes that it has refused: a delete that
// finds nothing of them does not end them.
func (g *Gateway) certain() error {
	if err := g.Journal.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// DeleteMatching ends the groups that match, in one commit, and gives them. It
// waits for the pushes under way, and others wait for it; matches is called
// for every group there is. An error means that none of those that still
// match has ended.
func (g *Gateway) DeleteMatching(ctx context.Context, matches func(*Group) bool) ([]*Group, error) {
	defer g.locks.lockAll()()
	var ended []*Group
	for {
		more, retry, err := g.tryDelete(ctx, matches)
		if ended = append(ended, more...); !retry {
			return ended, err
		}
	}
}

// endGhosts are changes that remove the records of ended groups, but for those
// that the given changes, sorted by key, remove: no clock that is set back may
// bring back what a delete has not seen any more.
func (g *Gateway) endGhosts(but []Change) (changes []Change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, revision := range g.index.ghosts {
		if _, too := slices.BinarySearchFunc(but, key, func(c Change, key grouping.Key) int { return cmp.Compare(c.Key, key) }); !too {
			changes = append(changes, Change{Key: key, Against: revision})
		}
	}
	return changes
}

// Wipe ends all groups there are.
func (g *Gateway) Wipe(ctx context.Context) error {
	_, err := g.DeleteMatching(ctx, func(*Group) bool { return true })
	return err
}

// tryDelete makes one attempt. It is worth another if somebody else has
// changed one of the groups meanwhile.
func (g *Gateway) tryDelete(ctx context.Context, matches func(*Group) bool) (ended []*Group, retry bool, err error) {
	var groups []*Group
	var changes []Change
	for group := range g.View().EachGroup("") {
		if matches(group) {
			groups = append(groups, group)
			changes = append(changes, Change{Key: group.Key, Against: group.Revision})
		}
	}
	changes = append(changes, g.endGhosts(changes)...)
	if len(changes) == 0 {
		return nil, false, g.certain()
	}
	for i, o := range g.Journal.Commit(ctx, changes) {
		switch o.Verdict {
		case Committed:
			if i < len(groups) {
				ended = append(ended, groups[i])
			}
		case Stale:
			retry = true
		case Failed, Unknown:
			err = fmt.Errorf("deleting %d groups: %w: %w", len(changes), ErrUnavailable, o.Err)
		}
	}
	return ended, retry && err == nil, err
}

// helpNews are differing help texts of one family, to be logged.
type helpNews struct {
	family        string
	first, second string
	group         grouping.Key
}

// helpNews finds, once for each family, blocks with another help text than
// the one that is exposed.
func (x *index) helpNews(brings []*exposition.Block) (news []helpNews) {
	for _, b := range brings {
		f := x.families[b.Name]
		h := f.byType[b.Type]
		if f.helpTold || h == nil {
			continue
		}
		key, first, _ := h.blocks.Min()
		switch {
		case first == nil:
		case first.Help == b.Help:
			b.Help = first.Help // one copy is enough
		default:
			f.helpTold = true
			news = append(news, helpNews{f.name, first.Help, b.Help, key})
		}
	}
	return news
}

func (g *Gateway) tellHelp(news []helpNews) {
	for _, n := range news {
		g.helpDiffers.Add(1)
		g.Logger.Warn("Two help texts for one family; the one of the lowest grouping key is exposed. This is logged once for each family",
			"family", n.family, "help", n.first, "group", n.group.String(), "other", n.second)
	}
}
