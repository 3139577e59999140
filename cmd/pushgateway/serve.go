package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"

	"pushgateway/internal/accesslog"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/server"
	"pushgateway/internal/storage"
	"pushgateway/internal/webui"
)

const (
	// quickStart is how long listening waits for the journal. A small journal is
	// then read, or fails to be read, before any client can notice.
	quickStart = 250 * time.Millisecond
)

// service holds what serving needs in addition to the settings.
type service struct {
	*settings
	logger   *slog.Logger
	gate     *httpapi.Gate
	quit     func() // ends serving
	server   *server.Server
	pace     *pace
	requests *accesslog.Log // nil if no requests are logged

	listening chan struct{}     // closed once connections are accepted
	addresses httpapi.Addresses // set before that
}

// serve runs the gateway until ctx ends, a client asks it to quit over HTTP, or
// a listener fails.
func serve(ctx context.Context, c *settings) error {
	profileMemory(c.enablePprof)
	logger := slog.New(excerpt.Handler(promslog.New(c.log).Handler()))
	pace := newPace(c.current.Get().Limits.Body.Inflight)
	limitMemory(logger)
	go askForHugePages(logger)
	logger.Info("Starting pushgateway", "version", version.Info(), "build_context", version.BuildContext())
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	s := &service{settings: c, pace: pace, logger: logger, gate: httpapi.NewGate(c.routePrefix, c.telemetryPath), quit: quit, listening: make(chan struct{})}
	s.gate.Reads(s.storage().Name())
	s.requests = accesslog.New(accesslog.Config{Logger: logger, All: c.logAccess, Slow: c.logSlow, Client: c.proxies.Client})
	defer s.reloadOnHangup()()
	if c.configFile != "" {
		logger.Info("Loaded the configuration", "file", c.configFile)
		s.warnOfCertificates()
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	logger.Info("Stopped")
	return nil
}

// run opens the gateway, then listens. If opening takes long, it listens at
// once, and clients learn that a file or a stream is being read. Without one it
// always waits.
func (s *service) run(ctx context.Context) error {
	opened := make(chan error, 1)
	var long <-chan time.Time
	if s.persistenceFile != "" || s.cluster.isSet() {
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
	return errors.Join(err, s.server.Close())
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
func (s *service) open(ctx context.Context) (err error) {
	ui, err := webui.New(s.routePrefix)
	if err != nil {
		return fmt.Errorf("preparing the pages: %w", err)
	}
	s.server, err = server.Open(ctx, server.Config{
		Storage:   s.storage(),
		Unchecked: s.unchecked,
		History:   s.history,
		TTL:       s.ttl,
		Settings:  s.current,
		Logger:    s.logger,
	})
	if err != nil {
		return err
	}
	s.gate.Open(s.server.Handler(s.surface(ui), s.pushes()))
	return nil
}

// storage returns where groups are kept.
func (s *service) storage() storage.Config {
	c := storage.Config{
		File:     s.persistenceFile,
		Interval: s.persistenceInterval,
		Salvage:  s.persistenceSalvage,
		Logger:   s.logger,
		Progress: s.gate.Progress,
		Waiting:  s.gate.Waiting,
	}
	if s.cluster.isSet() {
		c.Cluster = s.cluster.stored(s.settings)
	}
	return c
}

// pushes returns the configuration of the intake of pushes.
func (s *service) pushes() intake.Config {
	return intake.Config{
		UTF8Names:       s.utf8Names,
		Inflight:        &s.pace.inflight,
		Grown:           s.pace.keep,
		StripTimestamps: s.timestamps == "strip",
		LenientNewlines: s.lenientNewlines,
		ReservedNames:   s.reservedNames.matcher,
		OTLP:            s.otlp.options(),
	}
}

// surface returns the configuration of the HTTP surface.
func (s *service) surface(ui http.Handler) httpapi.Config {
	c := httpapi.Config{
		Prefix:            s.routePrefix,
		Origins:           s.origins,
		Proxies:           s.proxies,
		TelemetryPath:     s.telemetryPath,
		Addresses:         func() httpapi.Addresses { return s.addresses },
		EnableAdmin:       s.enableAdmin,
		EnablePprof:       s.enablePprof,
		EnableOpenMetrics: s.enableOpenMetrics,
		Info:              httpapi.Status{Build: buildInfo(), Flags: s.flags, Start: time.Now()},
		UI:                ui,
	}
	if s.aggregate != "" {
		c.AggregateJob, c.AggregateGauges = s.aggregateJob, aggregations[s.aggregate]
	}
	if s.enableLifecycle {
		c.Quit, c.Reload = s.quit, s.reload
	}
	return c
}
