package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/storage"
	"pushgateway/internal/telemetry"
	"pushgateway/internal/webui"
)

const (
	// quickStart is how long listening waits for the journal, so that nobody
	// need see that a small one was being read, nor that it could not be.
	quickStart = 250 * time.Millisecond
)

// server is what serving needs beyond the command line.
type server struct {
	*config
	logger  *slog.Logger
	metrics *telemetry.Metrics
	gate    *httpapi.Gate
	quit    func() // ends serving
	gateway *gateway.Gateway
	pace    *pace
	storage httpapi.Storage // nil without a persistence file
	// imported is what the journal was made of, nil if it was not.
	imported func() []byte
	// rescue puts groups into a file in the place of one that was taken away.
	rescue func(iter.Seq[*gateway.Group]) (path string, err error)

	listening chan struct{} // closed once connections are accepted
}

// serve runs the gateway until ctx ends, somebody asks for the end over HTTP,
// or a listener fails.
func serve(ctx context.Context, c *config) error {
	profileMemory(c.enablePprof)
	logger := slog.New(excerpt.Handler(promslog.New(c.log).Handler()))
	pace := newPace(int64(c.maxInflightBytes))
	limitMemory(logger)
	logger.Info("Starting pushgateway", "version", version.Info(), "build_context", version.BuildContext())
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	metrics, err := telemetry.New(httpapi.Reasons)
	if err != nil {
		return err
	}
	s := &server{config: c, pace: pace, logger: logger, metrics: metrics, gate: httpapi.NewGate(c.routePrefix, c.telemetryPath), quit: quit, listening: make(chan struct{})}
	if err := s.run(ctx); err != nil {
		return err
	}
	logger.Info("Stopped")
	return nil
}

// run opens the gateway and listens, both at once if the first takes long.
// Without a file nothing can take long but a busy machine, and no client is to
// be told of a file that is being read.
func (s *server) run(ctx context.Context) error {
	opened := make(chan error, 1)
	var long <-chan time.Time
	if s.config.persistenceFile != "" {
		long = time.After(quickStart)
	}
	go func() { opened <- s.open(ctx) }()
	select {
	case err := <-opened:
		if err != nil {
			return unlessStopped(err)
		}
		opened <- nil
	case <-long:
	}
	failed := make(chan error, 1)
	go func() {
		err := <-opened
		if err != nil {
			s.quit()
		} else {
			s.supervise(ctx)
		}
		failed <- err
	}()
	// Stop accepting, finish what was accepted, then close the journal.
	err := s.listen(ctx)
	s.quit()
	if opening := <-failed; opening != nil {
		return errors.Join(err, unlessStopped(opening))
	}
	return errors.Join(err, s.close())
}

// close closes the journal. If somebody has taken its file away, the groups go
// into another one, since they are nowhere else.
func (s *server) close() error {
	err := s.gateway.Close()
	if !errors.Is(err, storage.ErrTaken) {
		return err
	}
	path, failed := s.rescue(s.gateway.View().EachGroup(""))
	if failed != nil {
		return errors.Join(err, failed)
	}
	s.logger.Warn("All groups were written to a new persistence file", "file", path, "err", err)
	return nil
}

// unlessStopped gives the error of opening the gateway, nil if that was not
// finished because the process is to end.
func unlessStopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// open replays the journal, and then lets requests through.
func (s *server) open(ctx context.Context) error {
	start := time.Now()
	journal, err := s.journal(ctx)
	if err != nil {
		return err
	}
	s.gateway, err = gateway.Open(ctx, gateway.Config{
		Journal:   journal,
		Reserved:  s.metrics.Reserved(),
		Unchecked: s.unchecked,
		Limits:    gateway.Limits(s.limits().Group),
		Logger:    s.logger,
	})
	if err != nil {
		return storage.Explain(err)
	}
	s.metrics.Observe(stateOf(s.gateway))
	handler, err := s.handler()
	if err != nil {
		return errors.Join(err, s.gateway.Close())
	}
	if s.persistenceFile != "" {
		v := s.gateway.View()
		s.logger.Info("Read the persistence file", "groups", v.Groups(), "series", v.Series, "took", time.Since(start))
		if err := storage.RemoveSnapshots(s.persistenceFile); err != nil {
			s.logger.Warn("What a snapshot has left when it was interrupted cannot be removed", "err", err)
		}
	}
	s.gate.Open(handler)
	return nil
}

// journal picks where groups are kept.
func (s *server) journal(ctx context.Context) (gateway.Journal, error) {
	if s.persistenceFile == "" {
		s.imported = func() []byte { return nil }
		return &gateway.Memory{}, nil
	}
	var observed *telemetry.Journal
	j, err := storage.Open(ctx, storage.Config{
		File:     s.persistenceFile,
		Interval: s.persistenceInterval,
		Salvage:  s.persistenceSalvage,
		Logger:   s.logger,
		Progress: s.gate.Progress,
		Written: func(changes, bytes int, took time.Duration, err error) {
			observed.Written(changes, bytes, took, err)
		},
	})
	if err != nil {
		return nil, storage.Explain(err)
	}
	observed = s.metrics.ObserveJournal(j.Size, j.Trouble)
	s.storage, s.imported, s.rescue = j, j.Imported, j.Rescue
	return j, nil
}

func stateOf(gw *gateway.Gateway) telemetry.State {
	return telemetry.State{
		Groups:      func() float64 { return float64(gw.View().Groups()) },
		Series:      func() float64 { return float64(gw.View().Series) },
		LeftOut:     func() float64 { return float64(gw.View().LeftOut) },
		TooLong:     func() float64 { return float64(gw.View().TooLong) },
		HelpDiffers: func() float64 { return float64(gw.HelpDiffers()) },
		Expired:     func() float64 { return float64(gw.Expired()) },
		NextExpiry: func() float64 {
			if at := gw.NextExpiry(); !at.IsZero() {
				return float64(at.UnixNano()) / 1e9
			}
			return 0
		},
	}
}

// limits are those of everything that is served.
func (s *server) limits() guard.Limits {
	return guard.Limits{Body: guard.BodyLimits{Bytes: int64(s.maxBodyBytes), Inflight: int64(s.maxInflightBytes)}}
}

// intake takes pushes as the flags say.
func (s *server) intake(refusals *guard.Refusals) *intake.Intake {
	return intake.New(s.gateway, intake.Config{
		UTF8Names:       s.utf8Names,
		Limits:          s.limits(),
		Inflight:        &s.pace.inflight,
		Grown:           s.pace.keep,
		TTL:             s.ttl,
		StripTimestamps: s.timestamps == "strip",
		LenientNewlines: s.lenientNewlines,
		ReservedNames:   s.reservedNames.matcher,
		OpenMetrics:     s.enableOpenMetrics,
		Warn:            refusals.Warn,
		Duplicate:       s.metrics.Duplicate,
	})
}

func (s *server) handler() (http.Handler, error) {
	ui, err := webui.New(s.routePrefix)
	if err != nil {
		return nil, fmt.Errorf("preparing the pages: %w", err)
	}
	refusals := guard.NewRefusals(s.logger)
	var quit func()
	if s.enableLifecycle {
		quit = s.quit
	}
	return httpapi.New(httpapi.Config{
		Gateway:           s.gateway,
		Logger:            s.logger,
		Prefix:            s.routePrefix,
		Origins:           s.origins,
		Proxies:           s.proxies,
		TelemetryPath:     s.telemetryPath,
		Intake:            s.intake(refusals),
		Limits:            s.limits(),
		Refusals:          refusals,
		EnableAdmin:       s.enableAdmin,
		EnablePprof:       s.enablePprof,
		EnableOpenMetrics: s.enableOpenMetrics,
		Quit:              quit,
		Info:              httpapi.Status{Build: buildInfo(), Flags: s.flags, Start: time.Now()},
		Own:               s.metrics.Exposed,
		Snapshot: func(ctx context.Context, v *gateway.View) (io.ReadSeekCloser, error) {
			return storage.Snapshot(ctx, s.persistenceFile, s.imported(), v)
		},
		Storage:    s.storage,
		UI:         ui,
		Instrument: s.metrics.Instrument,
		Refused:    s.metrics.Refused,
		Pushed:     s.metrics.Pushed,
		Scraped: func(x httpapi.Scrape) {
			s.metrics.Scraped(x.Format.Syntax.String(), x.Format.Escaping, x.Bytes, x.Took, x.LeftOut)
		},
	}), nil
}
