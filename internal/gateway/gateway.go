// Package gateway is the engine: it keeps the last push of every group, checks
// that all groups can be exposed together, and provides their state as
// immutable views.
package gateway

import (
	"cmp"
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

// ErrUnavailable is wrapped by errors about a journal that could not store a
// change. The same push may work later.
var ErrUnavailable = errors.New("the gateway could not store the change")

// Config configures a gateway. The zero value is useful for each field except
// Journal.
type Config struct {
	// Journal makes changes durable. The gateway opens and closes it.
	Journal Journal
	// Reserved are the names and types of the gateway's own families.
	Reserved map[string]metric.Type
	// Unchecked accepts pushes that cannot be exposed beside others. The oldest
	// claim is exposed.
	Unchecked bool
	// Limits bound each group, and those that failures make.
	Limits Limits
	// Wait is how long a change waits for its turn, for the journal, and for
	// others who change the same group again and again; 30 s if 0.
	Wait time.Duration
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
	// Logger receives what operators should know. Nil means no logging.
	Logger *slog.Logger
}

// Gateway is the engine. It is safe for concurrent use.
type Gateway struct {
	Config
	locks keyLocks
	// merging has a turn for each large family that is being merged.
	merging *guard.Shares
	// view is the present view, or nil if nobody has asked for it yet. It is
	// stored with mu held.
	view atomic.Pointer[View]

	// mu guards index. Nothing slow runs with mu held: parsing, rendering and
	// comparing happen outside.
	mu    sync.Mutex
	index *index

	// firstDeadline is when the next group expires, in Unix ns. It is stored with
	// mu held.
	firstDeadline atomic.Int64
	expired       atomic.Uint64
	stop, reaped  chan struct{} // closed to stop reap, and when reap has stopped
	closing       sync.Once

	trimming    sync.Mutex    // held while groups of failures are removed
	foreign     atomic.Uint64 // changes of others that have been applied
	helpDiffers atomic.Uint64
}

const defaultWait = 30 * time.Second

// Open replays the journal and returns a gateway that is ready.
func Open(ctx context.Context, c Config) (*Gateway, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Wait, c.Limits = cmp.Or(c.Wait, defaultWait), c.Limits.withDefaults()
	g := &Gateway{Config: c, index: newIndex(c.Reserved, c.Limits), merging: guard.NewShares(int64(runtime.GOMAXPROCS(0))), stop: make(chan struct{}), reaped: make(chan struct{})}
	g.firstDeadline.Store(never)
	if err := c.Journal.Open(ctx, g.apply); err != nil {
		return nil, err
	}
	if n := g.View().TooLong; n > 0 {
		g.Logger.Warn("Some stored series are not exposed, because their names or labels are so long that they would crash Prometheus; push to their groups again with shorter ones", "series", n)
	}
	go g.reap()
	return g, nil
}

// Err returns why pushes would be refused at present, or nil.
func (g *Gateway) Err() error { return g.Journal.Err() }

// patience is how long a change for a client waits.
func (g *Gateway) patience(client context.Context) patience {
	return patience{client, time.Now().Add(g.Wait)}
}

// Sync returns nil when what is seen here is all that was acknowledged before,
// by whichever member. Whoever says that something does not exist asks first.
func (g *Gateway) Sync(ctx context.Context) error {
	ctx, end := g.patience(ctx).sent()
	defer end()
	if err := g.Journal.Sync(ctx); err != nil {
		return fmt.Errorf("%w: it is not certain what others have stored: %w", ErrUnavailable, err)
	}
	return nil
}

// Close waits for changes in progress and closes the journal.
func (g *Gateway) Close() error {
	g.closing.Do(func() { close(g.stop) })
	<-g.reaped
	return g.Journal.Close()
}

// View returns the present state, including all pushes that were answered.
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

// Group returns a group of the present state, or nil, without making a view.
func (g *Gateway) Group(key grouping.Key) *Group {
	g.expire()
	g.mu.Lock()
	defer g.mu.Unlock()
	group, _ := g.index.groups.Get(key)
	return group
}

// HelpDiffers returns for how many families groups have pushed different help
// texts.
func (g *Gateway) HelpDiffers() uint64 { return g.helpDiffers.Load() }

// claim checks a change and places its provisional claims. The check stops when
// ctx ends. Fresh is what of brings must be compared with other groups: the
// same blocks, or those that were merged into what the group has.
func (g *Gateway) claim(ctx context.Context, group, old *Group, brings, fresh []*exposition.Block) (*pending, []suspect, error) {
	p := &pending{key: group.Key, group: group, brings: brings, fresh: fresh, own: true}
	if err := g.place(p, old); err != nil {
		return nil, nil, err
	}
	suspects, refusal, err := g.suspects(ctx, p, old, !g.Unchecked)
	if refusal != nil {
		err = conflict(refusal.name, "group %s has a series with the same labels: %s; make them differ, or delete that group", refusal.key.Excerpt(), exposition.FormatSeries(refusal.name, refusal.labels))
	}
	if err != nil {
		g.withdraw(p)
		g.sweep() // otherwise others would find it again and again
		return nil, nil, err
	}
	return p, suspects, nil
}

// place does the part of claim that is about names.
func (g *Gateway) place(p *pending, old *Group) error {
	told, err := g.tryPlace(p, old)
	g.tellHelp(told)
	return err
}

func (g *Gateway) tryPlace(p *pending, old *Group) ([]helpNews, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.Unchecked {
		if err := g.index.check(p.group, old, p.brings); err != nil {
			return nil, err
		}
	}
	g.index.place(p)
	for _, b := range p.brings { // they are not the journal's yet
		b.Name, b.Help = g.index.known(b)
	}
	return g.index.helpNews(p.brings), nil
}

// withdraw takes the claims of a change back that will not happen.
func (g *Gateway) withdraw(p *pending) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index.finish(p, void)
}

// helpNews are differing help texts of one family, to be logged.
type helpNews struct {
	family        string
	first, second string
	group         grouping.Key
}

// helpNews finds blocks whose help text differs from the exposed one, once for
// each family.
func (x *index) helpNews(brings []*exposition.Block) (news []helpNews) {
	for _, b := range brings {
		f := x.families[b.Name]
		h := f.byType[b.Type]
		if f.helpTold || h == nil {
			continue
		}
		key, first, _ := h.blocks.Min()
		if first != nil && first.Help != b.Help {
			f.helpTold = true
			news = append(news, helpNews{f.name, first.Help, b.Help, key})
		}
	}
	return news
}

// known gives the name and the help text of a block, in the copies that others
// have already: one of each is enough.
func (x *index) known(b *exposition.Block) (name, help string) {
	f := x.families[b.Name]
	if f == nil {
		return b.Name, b.Help
	}
	if h := f.byType[b.Type]; h != nil {
		if _, first, _ := h.blocks.Min(); first != nil && first.Help == b.Help {
			return f.name, first.Help
		}
	}
	return f.name, b.Help
}

func (g *Gateway) tellHelp(news []helpNews) {
	for _, n := range news {
		g.helpDiffers.Add(1)
		g.Logger.Warn("A family has two different help texts; the one of the lowest grouping key is exposed. This is logged once for each family",
			"family", excerpt.Line(n.family, excerpt.Most), "help", excerpt.Line(n.first, excerpt.Most), "group", n.group.Excerpt(), "other", excerpt.Line(n.second, excerpt.Most))
	}
}
