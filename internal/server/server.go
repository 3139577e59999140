// Package server assembles a gateway: the storage of its groups, the engine,
// its own metrics, and the HTTP surface.
package server

import (
	"context"
	"log/slog"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/jobs"
	"pushgateway/internal/live"
	"pushgateway/internal/storage"
	"pushgateway/internal/telemetry"
	"pushgateway/internal/trouble"
)

// Config configures a server.
type Config struct {
	// Storage says where groups are kept. The server sets its hook Written.
	Storage storage.Config
	// Settings are those that requests go by. Nil means fixed ones, which are the
	// defaults.
	Settings *live.Current
	// Unchecked accepts pushes that contradict others.
	Unchecked bool
	// TTL says how long groups live without pushes.
	TTL intake.TTL
	// History is how many runs of each group are kept. 0 means none.
	History int
	// Now is the clock. If nil, it is time.Now, or what all members of a cluster agree
	// on.
	Now func() time.Time
	// Logger is required.
	Logger *slog.Logger
}

// Server is a running gateway. It is safe for concurrent use. Close it when
// done.
type Server struct {
	Gateway *gateway.Gateway
	Metrics *telemetry.Metrics
	store   *storage.Store
	current *live.Current
	logger  *slog.Logger
	history int
	ttl     intake.TTL

	storageName string // what people call it
	troubles    *trouble.Watch
	unstored    *trouble.Streak
	rhythm      trouble.Rhythm
}

// Open reads what is stored. The error says what to do.
func Open(ctx context.Context, c Config) (*Server, error) {
	start := time.Now()
	if c.Settings == nil {
		c.Settings = live.Fixed(&live.Settings{Limits: guard.Limits{}.WithDefaults()})
	}
	metrics, err := telemetry.New(httpapi.Reasons)
	if err != nil {
		return nil, err
	}
	var journal *telemetry.Journal
	unstored := new(trouble.Streak)
	c.Storage.Written = func(changes, bytes int, took time.Duration, err error) {
		journal.Written(changes, bytes, took, err)
		if err == nil && changes > 0 {
			unstored.Worked(time.Now())
		}
	}
	store, err := storage.Open(ctx, c.Storage)
	if err != nil {
		return nil, storage.Explain(err)
	}
	if h := store.Health(); h != nil {
		journal = metrics.ObserveJournal(c.Storage.Name(), h.Size, h.Trouble)
	}
	if c.Now == nil {
		c.Now = store.Now
	}
	gw, err := gateway.Open(ctx, gateway.Config{
		Journal: watched{store}, Reserved: metrics.Reserved(), Unchecked: c.Unchecked, Limits: gateway.Limits(c.Settings.Get().Limits.Group), Wait: store.Wait(), Now: c.Now, Logger: c.Logger,
		Runs: c.runs, RunsBytes: maxHistory, FailuresLive: c.failuresLive,
	})
	if err != nil {
		return nil, storage.Explain(err)
	}
	if _, shared := store.Cluster(); shared {
		metrics.ObserveCluster(func() telemetry.Cluster { return clusterOf(store) })
	}
	if c.Settings.Changes() {
		metrics.ObserveConfig(func() (bool, time.Time) { state := c.Settings.State(); return state.Successful, state.Success })
	}
	s := &Server{Gateway: gw, Metrics: metrics, store: store, history: c.History, ttl: c.TTL, current: c.Settings, logger: c.Logger, storageName: c.Storage.Name(), unstored: unstored}
	s.observeLimits()
	s.watchTroubles(start)
	if store.Health() != nil {
		s.tellOfStored(c.Storage.Name(), time.Since(start))
	}
	return s, nil
}

// maxHistory bounds the runs of all groups, in bytes: 50 of 100,000 jobs take
// about 50 MB.
const maxHistory = 64 << 20

// runs returns the runs of a group after a push.
func (c *Config) runs(old, group *gateway.Group, size int) []byte {
	return jobs.After(old, group, c.Settings.Get().Jobs, c.History, size)
}

// failuresLive returns how long a group lives after a refused push if it has never had
// a good one.
func (c *Config) failuresLive(key grouping.Key) time.Duration {
	return c.TTL.Unasked(c.Settings.Get().Rules.For(key))
}

// tellOfStored logs what the persistence file or the stream held.
func (s *Server) tellOfStored(name string, took time.Duration) {
	v := s.Gateway.View()
	s.logger.Info("Read the "+name, "groups", v.Groups(), "series", v.Series, "took", took)
	if err := s.store.RemoveSnapshots(); err != nil {
		s.logger.Warn("Could not remove what an interrupted snapshot left behind", "err", err)
	}
}

// Handler returns the HTTP surface, which accepts pushes as in configures. It
// sets the fields of both that the server provides. It sets Own only if it is
// nil.
func (s *Server) Handler(c httpapi.Config, in intake.Config) *httpapi.Surface {
	limits := s.current.Get().Limits // of what does not change
	c.Gateway, c.Logger, c.Limits, c.Settings, c.Refusals = s.Gateway, s.logger, limits, s.current, guard.NewRefusals(limits.Remember, s.logger)
	in.Limits, in.OpenMetrics, in.Warn, in.Duplicate = limits, c.EnableOpenMetrics, c.Refusals.Warn, s.Metrics.Duplicate
	in.NotOpenMetrics, in.TTL = s.Metrics.NotOpenMetrics, s.ttl
	c.Intake = intake.New(s.Gateway, in)
	if c.Own == nil {
		c.Own = s.Own
	}
	if h := s.store.Health(); h != nil {
		c.Storage = h
	}
	c.Snapshot, c.Shared = s.store.Snapshot, s.store
	c.Instrument, c.Refused, c.Pushed = s.Metrics.Instrument, s.Metrics.Refused, s.Metrics.Pushed
	c.RefusedUser, c.Troubles = s.Metrics.RefusedUser, s.troubles.Troubles
	c.Unstored = func(err error) { s.unstored.Failed(err, time.Now()) }
	c.Scraped = func(x httpapi.Scrape) {
		s.rhythm.Note(x.By, time.Now())
		s.Metrics.Scraped(x.Format.Syntax.String(), x.Format.Escaping, x.Bytes, x.Took, x.LeftOut)
	}
	return httpapi.New(c)
}

// Close closes the gateway. If the journal's file was removed, it writes the
// groups to a new one, since they exist nowhere else.
func (s *Server) Close() error {
	s.troubles.Close()
	closing := s.Gateway.Close()
	path, err := s.store.Rescue(closing, s.Gateway.View())
	if path != "" {
		s.logger.Warn("Wrote all groups to a new persistence file", "file", path, "err", closing)
	}
	return err
}

// Own returns the gateway's own families for a scrape of a view. Their numbers
// belong to the view, so nothing that happens to the groups meanwhile delays them.
func (s *Server) Own(v *gateway.View) ([]exposition.Exposed, error) {
	return s.Metrics.Exposed(stateOf(s.Gateway, v, s.history))
}

func stateOf(gw *gateway.Gateway, v *gateway.View, history int) telemetry.State {
	next := 0.0
	if at := v.NextExpiry(); !at.IsZero() {
		next = float64(at.UnixNano()) / 1e9
	}
	return telemetry.State{
		Groups: float64(v.Groups()), Series: float64(v.Series), LeftOut: float64(v.LeftOut), TooLong: float64(v.TooLong),
		Expired: float64(v.Expired), SeriesExpired: float64(v.SeriesExpired), NextExpiry: next,
		Taken: float64(gw.Taken()), HelpDiffers: float64(gw.HelpDiffers()), Reconciled: float64(gw.Reconciled()),
		IdempotencyKeys: float64(gw.Receipts()), HistoryBytes: float64(gw.RunsBytes()), HistoryMaxBytes: float64(min(history, 1) * maxHistory),
	}
}

func clusterOf(store *storage.Store) telemetry.Cluster {
	s, _ := store.Cluster()
	return telemetry.Cluster{
		Connected: s.Connected, Behind: s.Behind, Lag: s.Lag, Skew: s.Skew, Revision: s.Revision,
		Retries: s.Retries, Conflicts: s.Conflicts, Unknown: s.Unknown,
		Unreadable: s.Unreadable, Diverging: s.Diverging, Differing: s.Differing, Members: s.Peers, MaxBytes: s.MaxBytes,
	}
}
