// Package gateway is the engine: it keeps the last push of every group,
// checks that all of them can be exposed together, and shows their state as
// immutable views.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
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
	// Limits bound each group, and those that failures make.
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
	// merging has a turn for each large family that is being merged.
	merging *guard.Shares
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

	trimming    sync.Mutex // held by who ends groups of failures
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
	c.Limits = c.Limits.withDefaults()
	g := &Gateway{Config: c, index: newIndex(c.Reserved, c.Limits), merging: guard.NewShares(int64(runtime.GOMAXPROCS(0))), stop: make(chan struct{}), reaped: make(chan struct{})}
	g.firstDeadline.Store(never)
	if err := c.Journal.Open(ctx, g.apply); err != nil {
		return nil, err
	}
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

// claim checks a change and places its provisional claims. The check ends with
// ctx. Fresh is what of brings must be compared with other groups: the same blocks,
// or those that were merged into what the group has.
func (g *Gateway) claim(ctx context.Context, group, old *Group, brings, fresh []*exposition.Block) ([]suspect, error) {
	p, err := g.place(group, old, brings)
	if err != nil {
		return nil, err
	}
	p.fresh = fresh
	suspects, err := g.suspects(ctx, p, old, !g.Unchecked)
	if err == nil && len(suspects) > 0 && !g.Unchecked {
		s := suspects[0]
		err = conflict(s.name, "group %s has a series with the same labels: %s; make them differ, or delete that group", s.key.Excerpt(), exposition.FormatSeries(s.name, s.labels))
	}
	if err != nil {
		g.withdraw(group.Key)
		g.sweep() // others should not find it again and again
	}
	return suspects, err
}

// place does the part of claim that looks at names.
func (g *Gateway) place(group, old *Group, brings []*exposition.Block) (*pending, error) {
	p, told, err := g.tryPlace(group, old, brings)
	g.tellHelp(told)
	return p, err
}

func (g *Gateway) tryPlace(group, old *Group, brings []*exposition.Block) (*pending, []helpNews, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.index.pending[group.Key] != nil {
		return nil, nil, errUnresolved
	}
	if !g.Unchecked {
		if err := g.index.check(group, old, brings); err != nil {
			return nil, nil, err
		}
	}
	return g.index.place(group, brings), g.index.helpNews(brings), nil
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
			"family", excerpt.Line(n.family, excerpt.Most), "help", excerpt.Line(n.first, excerpt.Most), "group", n.group.Excerpt(), "other", excerpt.Line(n.second, excerpt.Most))
	}
}
