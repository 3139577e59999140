package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"pushgateway/internal/connections"
	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/login"
	"pushgateway/internal/otlp"
)

const (
	// idleTimeout closes unused connections. Scrapes come once a minute or more
	// often.
	idleTimeout = 5 * time.Minute
	// writeTimeout ends responses that the client does not read, since each keeps
	// an old view in memory.
	writeTimeout = 5 * time.Minute
	// headerTimeout bounds how long the header of a request may take to arrive.
	headerTimeout = 10 * time.Second
	// headerSlop is what net/http allows beyond MaxHeaderBytes.
	headerSlop = 4096
	// Bounds of HTTP/2: unread bytes that a connection may have sent, and how long
	// it may take to accept any bytes.
	maxUnread    = 256 << 10
	stuckTimeout = time.Minute
	// shutdownTimeout bounds how long shutdown waits for requests in progress.
	shutdownTimeout = 30 * time.Second
)

// listen serves until ctx ends, and then until the requests in progress are
// answered.
func (s *service) listen(ctx context.Context) error {
	doors, err := s.openDoors(ctx)
	if err != nil {
		return err
	}
	defer closeAll(doors) // also those whose server has not failed
	s.addresses = addressesOf(doors)
	var (
		accepting sync.Once
		servers   []*http.Server
		failed    = make(chan error, len(doors))
		limits    = connections.Fitting(s.current.Get().Limits.Connections)
		d         = connections.New(limits)
		passwords = login.New(*s.web.WebConfigFile, s.proxies, s.hashes)
	)
	defer s.requests.Close()
	for _, l := range doors {
		server := s.newServer(l.kind, d, limits, passwords, func() { accepting.Do(func() { close(s.listening) }) })
		servers = append(servers, server)
		go func() { failed <- web.Serve(d.Listen(l), server, s.web, s.logger) }()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	s.logger.Info("Stopping after the requests in progress")
	s.gate.Close()
	return shutdown(servers)
}

// newServer returns the server of one listener. The toolkit puts its own
// handler into it. accepting is called before the first connection is accepted.
func (s *service) newServer(kind httpapi.Door, d *connections.Pool, limits guard.ConnectionLimits, passwords *login.Guard, accepting func()) *http.Server {
	server := &http.Server{
		Handler:           d.Answer(s.gate.At(kind)),
		ReadTimeout:       s.readTimeout,
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    limits.HeaderBytes - headerSlop,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          limits.Streams,
			MaxReceiveBufferPerConnection: maxUnread,
			MaxReceiveBufferPerStream:     maxUnread,
			WriteByteTimeout:              stuckTimeout,
		},
		ConnState:   d.State,
		ConnContext: d.Context,
		ErrorLog:    slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	if s.readTimeout > 0 {
		server.ReadHeaderTimeout = min(headerTimeout, s.readTimeout)
	}
	server.BaseContext = func(net.Listener) context.Context {
		// The handler is the toolkit's by now, and no client has connected yet.
		if *s.web.WebConfigFile != "" {
			server.Handler = passwords.Before(server.Handler)
		}
		server.Handler = s.requests.Handler(otlp.Errors(s.routePrefix, d.Limit(s.proxies, server.Handler)))
		accepting()
		return context.Background()
	}
	return server
}

// shutdown waits until the requests in progress are answered.
func shutdown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	var stopping errgroup.Group
	for _, server := range servers {
		stopping.Go(func() error {
			if err := server.Shutdown(ctx); err != nil {
				return fmt.Errorf("waiting for requests in progress: %w", errors.Join(err, server.Close()))
			}
			return nil
		})
	}
	return stopping.Wait()
}
