package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/mdlayher/vsock"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"pushgateway/internal/connections"
	"pushgateway/internal/guard"
	"pushgateway/internal/login"
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
	listeners, err := s.listeners()
	if err != nil {
		return s.cannotServe(err)
	}
	var (
		accepting sync.Once
		servers   []*http.Server
		failed    = make(chan error, len(listeners))
		limits    = connections.Fitting(s.current.Get().Limits.Connections)
		d         = connections.New(limits)
		passwords = login.New(*s.web.WebConfigFile, s.proxies)
	)
	for _, l := range listeners {
		server := s.newServer(d, limits, passwords, func() { accepting.Do(func() { close(s.listening) }) })
		servers = append(servers, server)
		go func() { failed <- web.Serve(d.Listen(l), server, s.web, s.logger) }()
	}
	select {
	case err := <-failed:
		return s.cannotServe(err)
	case <-ctx.Done():
	}
	s.logger.Info("Stopping after the requests in progress")
	s.gate.Close()
	return shutdown(servers)
}

// listeners opens the listeners that the flags name, as the toolkit would. The
// gateway opens them itself since its pool of connections must stand in front of the toolkit.
func (s *service) listeners() ([]net.Listener, error) {
	if *s.web.WebSystemdSocket {
		listeners, err := activation.Listeners()
		if err == nil && len(listeners) == 0 {
			err = errors.New("systemd passed no socket")
		}
		return listeners, err
	}
	var listeners []net.Listener
	for _, address := range *s.web.WebListenAddresses {
		l, err := listenOn(address)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	if len(listeners) == 0 {
		return nil, web.ErrNoListeners
	}
	return listeners, nil
}

func listenOn(address string) (net.Listener, error) {
	vm, ok := strings.CutPrefix(address, "vsock://")
	if !ok {
		return net.Listen("tcp", address)
	}
	_, port, err := net.SplitHostPort(vm)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil {
		return nil, err
	}
	return vsock.Listen(uint32(n), nil)
}

// newServer returns the server of one listener. The toolkit puts its own
// handler into it. accepting is called before the first connection is accepted.
func (s *service) newServer(d *connections.Pool, limits guard.ConnectionLimits, passwords *login.Guard, accepting func()) *http.Server {
	server := &http.Server{
		Handler:           d.Answer(s.gate),
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
		server.Handler = d.Limit(s.proxies, server.Handler)
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

// cannotServe returns what to do when a listener cannot be opened.
func (s *service) cannotServe(err error) error {
	toDo := ""
	switch {
	case *s.web.WebSystemdSocket:
		toDo = "; systemd passes sockets to the service of a .socket unit: start that unit, or leave out --web.systemd-socket"
	case errors.Is(err, syscall.EADDRINUSE):
		toDo = "; stop the process that uses the port, or set another one with --web.listen-address"
	}
	return fmt.Errorf("serving HTTP: %w%s", err, toDo)
}
