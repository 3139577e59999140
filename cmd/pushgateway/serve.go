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
	"pushgateway/internal/grouping"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/storage"
	"pushgateway/internal/telemetry"
	"pushgateway/internal/webui"
)

const (
	// quickStart is how long listening waits for the journal. A small journal is
	// then read, or fails to be read, before any client can notice.
	quickStart = 250 * time.Millisecond
)

// server holds what serving needs in addition to the command line.
type server struct {
	*config
	logger  *slog.Logger
	metrics *telemetry.Metrics
	gate    *httpapi.Gate
	quit    func() // ends serving
	gateway *gateway.Gateway
	pace    *pace
	storage httpapi.Storage // nil without a persistence file
	// imported names the file that the journal was imported from. It is nil if
	// there was none.
	imported func() []byte
	// rescue writes groups to a new file if the journal's own file was removed.
	rescue func(iter.Seq[*gateway.Group]) (path string, err error)

	listening chan struct{} // closed once connections are accepted
}

// serve runs the gateway until ctx ends, a client asks it to quit over HTTP, or
// a listener fails.
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

// run opens the gateway, then listens. If opening takes long, it listens at
// once, and clients learn that a file is being read. Without a file it always
// waits.
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
	// Stop accepting, answer what was accepted, then close the journal.
	err := s.listen(ctx)
	s.quit()
	if opening := <-failed; opening != nil {
		return errors.Join(err, unlessStopped(opening))
	}
	return errors.Join(err, s.close())
}

// close closes the journal. If the journal's file was removed, it writes the
// groups to a new one, since they exist nowhere else.
func (s *server) close() error {
	err := s.gateway.Close()
	if !errors.Is(err, storage.ErrTaken) {
		return err
	}
	path, failed := s.rescue(s.gateway.View().EachGroup(""))
	if failed != nil {
		return errors.Join(err, failed)
	}
	s.logger.Warn("Wrote all groups to a new persistence file", "file", path, "err", err)
	return nil
}

// unlessStopped returns the error of opening the gateway, or nil if shutdown
// interrupted it.
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
			s.logger.Warn("Could not remove what an interrupted snapshot left behind", "err", err)
		}
	}
	s.gate.Open(handler)
	return nil
}

// journal opens the journal that the flags ask for.
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

func (s *server) handler() (http.Handler, error) {
	ui, err := webui.New(s.routePrefix)
	if err != nil {
		return nil, fmt.Errorf("preparing the pages: %w", err)
	}
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
		Keys:              grouping.Decoder{UTF8Names: s.utf8Names},
		MaxBodyBytes:      int64(s.maxBodyBytes),
		MaxInflightBytes:  int64(s.maxInflightBytes),
		Inflight:          &s.pace.inflight,
		Grown:             s.pace.keep,
		TTL:               s.ttl,
		StripTimestamps:   s.timestamps == "strip",
		LenientNewlines:   s.lenientNewlines,
		ReservedNames:     s.reservedNames.matcher,
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
		Duplicate:  s.metrics.Duplicate,
		Pushed:     s.metrics.Pushed,
		Scraped: func(x httpapi.Scrape) {
			s.metrics.Scraped(x.Format.Syntax.String(), x.Format.Escaping, x.Bytes, x.Took, x.LeftOut)
		},
	}), nil
}
