package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/storage"
	"pushgateway/internal/telemetry"
	"pushgateway/internal/webui"
)

const (
	// idleTimeout ends connections that nobody uses. Scrapes come once a
	// minute or more often.
	idleTimeout = 5 * time.Minute
	// writeTimeout ends answers that nobody reads, which would keep an old
	// view in memory.
	writeTimeout = 5 * time.Minute
	// shutdownTimeout bounds how long the end waits for requests under way.
	shutdownTimeout = 30 * time.Second
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

	listening chan struct{} // closed once connections are accepted
}

// serve runs the gateway until ctx ends, somebody asks for the end over HTTP,
// or a listener fails.
func serve(ctx context.Context, c *config) error {
	profileMemory(c.enablePprof)
	logger := promslog.New(c.log)
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
	return errors.Join(err, s.gateway.Close())
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
	s.storage, s.imported = j, j.Imported
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
		TelemetryPath:     s.telemetryPath,
		Keys:              grouping.Decoder{UTF8Names: s.utf8Names},
		MaxBodyBytes:      int64(s.maxBodyBytes),
		MaxInflightBytes:  int64(s.maxInflightBytes),
		Inflight:          &s.pace.inflight,
		Grown:             s.pace.keep,
		TTL:               s.ttl,
		StripTimestamps:   s.timestamps == "strip",
		LenientNewlines:   s.lenientNewlines,
		EnableAdmin:       s.enableAdmin,
		EnablePprof:       s.enablePprof,
		EnableOpenMetrics: s.enableOpenMetrics,
		Quit:              quit,
		Info:              httpapi.Status{Build: buildInfo(), Flags: s.flags, Start: time.Now()},
		Own:               s.metrics.Exposed,
		Snapshot: func(v *gateway.View) (io.ReadSeekCloser, error) {
			return storage.Snapshot(s.persistenceFile, s.imported(), v)
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

// listen serves until ctx ends, and then until the requests under way have
// been answered.
func (s *server) listen(ctx context.Context) error {
	var listening sync.Once
	server := &http.Server{
		BaseContext: func(net.Listener) context.Context {
			listening.Do(func() { close(s.listening) })
			return context.Background()
		},
		Handler:      s.gate,
		ReadTimeout:  s.readTimeout,
		WriteTimeout: writeTimeout,
		IdleTimeout:  idleTimeout,
		ErrorLog:     slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.ListenAndServe(server, s.web, s.logger) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving HTTP: %w%s", err, s.whatToDo(err))
	case <-ctx.Done():
	}
	s.logger.Info("Stopping: finishing the requests under way")
	s.gate.Close()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("waiting for requests under way: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// whatToDo is how to go on when nothing could be listened on, as the end of an
// error.
func (s *server) whatToDo(err error) string {
	switch {
	case *s.web.WebSystemdSocket:
		return "; systemd hands sockets to the service of a .socket unit: start that unit, or leave out --web.systemd-socket"
	case errors.Is(err, syscall.EADDRINUSE):
		return "; end the process that has the port, or give another to --web.listen-address"
	}
	return ""
}
