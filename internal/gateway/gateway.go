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
var ErrUnavailable = errors.New("the gateway could not store the change")

// ErrGone is wrapped by the errors of changes that were dropped because their
// client had left. They have changed nothing.
var ErrGone = errors.New("the client is gone")

// Config says how a gateway works. The zero value of each field but Journal
// is useful.
type Config struct {
	// Journal makes changes durable. The gateway opens and closes it.
	Journal Journal
	// Reserved are the names and types of the gateway's own families.
	Reserved map[string]metric.Type
	// Unchecked accepts pushes that cannot be exposed beside others. Only the
	// oldest claim is then exposed.
	Unchecked bool
	// Limits bound each group, unless a push has its own, and the groups that exist
	// only through failures.
	Limits Limits
	// FailuresLive returns how long a group that exists only through failures lives
	// after the last one. 0 means that it lives until it is deleted, or pushed out by
	// others. Nil means that for all.
	FailuresLive func(grouping.Key) time.Duration
	// Runs returns the runs that a group has after a push to it, in at most size
	// bytes. old is the group before, or nil. It changes neither. Nil means that the
	// runs stay as they are.
	Runs func(old, group *Group, size int) []byte
	// RunsBytes bounds the runs of all groups together. Beyond it, those of no group
	// grow. 0 means no bound.
	RunsBytes int64
	// Wait is how long a change waits at most for its turn, for the journal, and
	// for other changes of the same group. 0 means 30 s.
	Wait time.Duration
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Logger receives what operators should know. Nil means no logging.
	Logger *slog.Logger
}

// Gateway is the engine. It is safe for concurrent use.
type Gateway struct {
	config Config
	// journalEnds is what the journal says of itself with EndsGroups. While it
	// applies changes it cannot be asked.
	journalEnds bool
	// keepsRecords is what the journal says of itself with KeepsRecords.
	keepsRecords bool

	locks keyLocks
	// additions wait for their groups.
	additions  additions
	reconciled atomic.Uint64 // histograms that lost buckets when they were added up
	// merging gives turns to merges with large families.
	merging *guard.Shares
	// view is the present view, or nil if nobody has asked for it since the last
	// change. It is stored under mu.
	view atomic.Pointer[View]

	// mu guards index. Holding it takes no longer than looking up what a change
	// names: parsing, rendering and comparing happen outside.
	mu    sync.Mutex
	index *index

	// firstDeadline is when the next group expires, in Unix ns. It is stored under
	// mu.
	firstDeadline atomic.Int64
	expiring      sync.Mutex // held by whoever ends the groups whose time has come
	pace          pace
	expired       atomic.Uint64
	// firstEnding is when the next series ends, in Unix ns. It is stored under mu.
	firstEnding   atomic.Int64
	cutting       sync.Mutex // held by whoever removes the series that have ended
	seriesExpired atomic.Uint64
	stop, reaped  chan struct{} // stop is closed to end reap, reaped when it has ended
	closing       sync.Once

	trimming    sync.Mutex   // held while trimFailures runs
	runsBytes   atomic.Int64 // of all groups; stored under mu
	excess      atomic.Int64 // of groups with only failures, as failures.excess returns it; stored under mu
	taken       atomic.Uint64
	foreign     atomic.Uint64 // number of applied changes of other members
	helpDiffers atomic.Uint64
}

const defaultWait = 30 * time.Second

// Open replays the journal and returns a gateway that is ready for use.
func Open(ctx context.Context, c Config) (*Gateway, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Wait, c.Limits = cmp.Or(c.Wait, defaultWait), c.Limits.withDefaults()
	g := &Gateway{config: c, index: newIndex(c.Reserved, c.Limits), pace: usualPace(), merging: guard.NewShares(int64(runtime.GOMAXPROCS(0))), stop: make(chan struct{}), reaped: make(chan struct{})}
	g.firstDeadline.Store(never)
	g.firstEnding.Store(never)
	g.journalEnds = c.Journal.EndsGroups()
	g.keepsRecords = c.Journal.KeepsRecords()
	if err := c.Journal.Open(ctx, g.apply, g.stored); err != nil {
		return nil, err
	}
	if n := g.View().TooLong; n > 0 {
		g.config.Logger.Warn("Stored series are not exposed, because a name or a label of theirs is so long that it would end a Prometheus; push to their groups again with shorter ones", "series", n)
	}
	go g.reap()
	return g, nil
}

// Reserved returns the names and types of the gateway's own families. The
// caller must not change the map.
func (g *Gateway) Reserved() map[string]metric.Type { return g.config.Reserved }

// Unchecked reports whether the gateway accepts pushes that conflict with
// others.
func (g *Gateway) Unchecked() bool { return g.config.Unchecked }

// Err returns why the gateway refuses pushes at present, or nil.
func (g *Gateway) Err() error { return g.config.Journal.Err() }

// patience returns how long a change for a client waits.
func (g *Gateway) patience(client context.Context) patience {
	return patience{client, time.Now().Add(g.config.Wait)}
}

// Sync returns nil once everything is visible here that any member had
// acknowledged before. Call it before you report that something does not exist.
// Its errors wrap ErrUnavailable.
func (g *Gateway) Sync(ctx context.Context) error { return g.sync(g.patience(ctx)) }

func (g *Gateway) sync(p patience) error {
	ctx, end := p.sent()
	defer end()
	if err := g.config.Journal.Sync(ctx); err != nil {
		return fmt.Errorf("%w: other members may have stored changes that are not visible here; try again: %w", ErrUnavailable, err)
	}
	return nil
}

// Close waits for changes in progress and closes the journal. It may be called
// twice.
func (g *Gateway) Close() error {
	g.closing.Do(func() { close(g.stop) })
	<-g.reaped
	return g.config.Journal.Close()
}

// View returns the present state. It includes every push that was answered.
func (g *Gateway) View() *View {
	now := g.now()
	v := g.view.Load()
	for v == nil || now >= v.until {
		g.end(now)
		if v = g.makeView(); v == nil { // pushes may outdate a view at once, and do not make it wrong
			g.awaitMass()
		}
	}
	return v
}

// makeView returns the present view, which it makes unless there is one. It returns
// nil if parts of a mass are left.
func (g *Gateway) makeView() *View {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.view.Load()
	if v == nil && g.index.mass == nil {
		v = g.index.makeView()
		v.Expired, v.SeriesExpired = g.expired.Load(), g.seriesExpired.Load()
		v.expiry = g.firstDeadline.Load()
		v.until = min(v.expiry, g.firstEnding.Load())
		g.view.Store(v)
	}
	return v
}

// now returns the time by the clock, in Unix ns.
func (g *Gateway) now() int64 { return g.config.Now().UnixNano() }

// Group returns a group of the present state, or nil. It needs no view.
func (g *Gateway) Group(key grouping.Key) *Group {
	for now := g.now(); ; {
		group := g.stored(key)
		if group == nil {
			return nil
		}
		switch end, mortal := deadlineOf(group); {
		case mortal && end.at <= now:
			g.expireOne(group)
		case group.firstEnd != 0 && group.firstEnd <= now:
			g.cut([]*Group{group}, now)
		default:
			return group
		}
	}
}

// stored returns a group as it was last stored here, or nil.
func (g *Gateway) stored(key grouping.Key) *Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	group, _ := g.index.groups.Get(key)
	return group
}

// HelpDiffers returns the number of families for which groups have pushed
// different help texts.
func (g *Gateway) HelpDiffers() uint64 { return g.helpDiffers.Load() }

// Reconciled returns how many histograms lost buckets when a push was added to
// them.
func (g *Gateway) Reconciled() uint64 { return g.reconciled.Load() }

// claim checks a change, unless c is nil, and the quotas, and places its
// provisional claims. It fails if ctx ends during the check. fresh are the blocks
// to compare with other groups: those of brings, or, if they were merged, what
// the push added to them.
func (g *Gateway) claim(ctx context.Context, c *check, group, old *Group, brings, fresh []*exposition.Block, q *guard.Quotas) (*pending, []suspect, error) {
	p := &pending{key: group.Key, group: group, brings: brings, fresh: fresh, since: old.since(), own: true}
	if err := g.place(c, p, old, q); err != nil {
		return nil, nil, err
	}
	suspects, refusal, err := g.suspects(ctx, p, old, c)
	if refusal != nil {
		err = conflict(refusal.name, "group %s has a series with the same labels: %s; make them differ, or delete that group%s", refusal.key.Excerpt(), exposition.FormatSeries(refusal.name, refusal.labels), refusal.remark)
	}
	if err != nil {
		g.finish(p, void)
		g.sweep() // so that others do not find it again
		return nil, nil, err
	}
	p.settleTakes()
	return p, suspects, nil
}

// place checks the names of a change and the quotas, and places its provisional
// claims.
func (g *Gateway) place(c *check, p *pending, old *Group, q *guard.Quotas) error {
	told, err := g.tryPlace(c, p, old, q)
	g.tellHelp(told)
	return err
}

func (g *Gateway) tryPlace(c *check, p *pending, old *Group, q *guard.Quotas) (_ []helpNews, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.index.isBereft(p) {
		return nil, errEnded
	}
	if c != nil {
		if p.takes, err = c.admit(p.group, old, p.brings); err != nil {
			return nil, err
		}
	}
	g.index.place(p, old)
	if err := g.index.reserve(p, q); err != nil {
		g.index.finish(p, void)
		return nil, err
	}
	if !p.isIndexed() {
		p.rivals = g.index.enter(p, c != nil)
		p.searched = len(p.rivals) == 0
	}
	return g.index.helpNews(p.brings), nil
}

// helpNews are two help texts of one family, to be logged.
type helpNews struct {
	family        string
	first, second string
	group         grouping.Key
}

// helpNews returns, once for each family, blocks whose help text differs from
// the exposed one.
func (x *index) helpNews(brings []*exposition.Block) (news []helpNews) {
	for _, b := range brings {
		f := x.families[b.Name]
		if f == nil || f.helpTold || f.byType[b.Type] == nil {
			continue
		}
		h := f.byType[b.Type]
		key, first, _ := h.blocks.Min()
		if first != nil && first.Help != b.Help {
			f.helpTold = true
			news = append(news, helpNews{f.name, first.Help, b.Help, key})
		}
	}
	return news
}

// known returns the name and the help text of a block. It reuses the strings
// that other groups already hold, to save memory.
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
		g.config.Logger.Warn("Two help texts for one family; the one of the lowest grouping key is exposed. This is logged once for each family",
			"family", excerpt.Line(n.family, excerpt.Most), "help", excerpt.Line(n.first, excerpt.Most), "group", n.group.Excerpt(), "other", excerpt.Line(n.second, excerpt.Most))
	}
}
