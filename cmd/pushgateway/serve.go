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
	"github.com/prometheus/exporter-toolkit/web"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/httpapi"
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
)

// serve runs the gateway until ctx ends, somebody asks for the end over HTTP,
// or a listener fails.
func serve(ctx context.Context, c *config) error {
	logger := promslog.New(c.log)
	logger.Info("Starting pushgateway", "version", version.Info(), "build_context", version.BuildContext())
	ctx, quit := context.WithCancel(ctx)
	defer quit()

	metrics, err := telemetry.New(httpapi.Reasons)
	if err != nil {
		return err
	}
	gw, err := gateway.Open(ctx, gateway.Config{
		Journal:   &gateway.Memory{},
		Reserved:  metrics.Reserved(),
		Unchecked: c.unchecked,
		Logger:    logger,
	})
	if err != nil {
		return err
	}
	metrics.Observe(stateOf(gw))
	handler, err := newHandler(c, gw, metrics, quit, logger)
	if err != nil {
		return errors.Join(err, gw.Close())
	}
	// Stop accepting, finish what was accepted, then close the journal.
	err = listen(ctx, c, handler, logger)
	if err := errors.Join(err, gw.Close()); err != nil {
		return err
	}
	logger.Info("Stopped")
	return nil
}

func stateOf(gw *gateway.Gateway) telemetry.State {
	return telemetry.State{
		Groups:      func() float64 { return float64(gw.View().Groups()) },
		Series:      func() float64 { return float64(gw.View().Series) },
		LeftOut:     func() float64 { return float64(gw.View().LeftOut) },
		HelpDiffers: func() float64 { return float64(gw.HelpDiffers()) },
	}
}

func newHandler(c *config, gw *gateway.Gateway, metrics *telemetry.Metrics, quit func(), logger *slog.Logger) (http.Handler, error) {
	ui, err := webui.New(webui.Config{Gateway: gw, Prefix: c.routePrefix, TelemetryPath: c.telemetryPath, Version: version.Version})
	if err != nil {
		return nil, fmt.Errorf("preparing the pages: %w", err)
	}
	if !c.enableLifecycle {
		quit = nil
	}
	return httpapi.New(httpapi.Config{
		Gateway:           gw,
		Logger:            logger,
		Prefix:            c.routePrefix,
		TelemetryPath:     c.telemetryPath,
		Keys:              grouping.Decoder{UTF8Names: c.utf8Names},
		MaxBodyBytes:      int64(c.maxBodyBytes),
		MaxInflightBytes:  int64(c.maxInflightBytes),
		EnableAdmin:       c.enableAdmin,
		EnablePprof:       c.enablePprof,
		EnableOpenMetrics: c.enableOpenMetrics,
		Quit:              quit,
		Info:              httpapi.Status{Build: buildInfo(), Flags: c.flags, Start: time.Now()},
		Own:               metrics.Exposed,
		UI:                ui,
		Instrument:        metrics.Instrument,
		Refused:           metrics.Refused,
		Duplicate:         metrics.Duplicate,
		Pushed:            metrics.Pushed,
		Scraped: func(s httpapi.Scrape) {
			metrics.Scraped(s.Format.Syntax.String(), s.Format.Escaping, s.Bytes, s.Took, s.LeftOut)
		},
	}), nil
}

// listen serves until ctx ends, and then until the requests under way have
// been answered.
func listen(ctx context.Context, c *config, handler http.Handler, logger *slog.Logger) error {
	server := &http.Server{
		Handler:      handler,
		ReadTimeout:  c.readTimeout,
		WriteTimeout: writeTimeout,
		IdleTimeout:  idleTimeout,
		ErrorLog:     slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.ListenAndServe(server, c.web, logger) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	logger.Info("Stopping: finishing the requests under way")
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("waiting for requests under way: %w", errors.Join(err, server.Close()))
	}
	return nil
}
