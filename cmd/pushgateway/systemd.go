package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervise tells systemd when the gateway is ready, that it is alive, and when
// it stops, if systemd started the process. Call it once the journal is
// replayed. It returns when ctx ends.
func (s *service) supervise(ctx context.Context) {
	select {
	case <-s.listening:
	case <-ctx.Done():
		return
	}
	tellSystemd(s.logger, daemon.SdNotifyReady)
	defer tellSystemd(s.logger, daemon.SdNotifyStopping)
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.logger.Warn("Could not read the watchdog settings of systemd", "err", err)
	}
	if limit <= 0 {
		<-ctx.Done()
		return
	}
	s.feedWatchdog(ctx, limit)
}

// feedWatchdog tells systemd often enough that the gateway is alive. It takes a
// view of the groups each time, so that systemd restarts a gateway in which
// that blocks.
func (s *service) feedWatchdog(ctx context.Context, limit time.Duration) {
	tick := time.NewTicker(limit / 3)
	defer tick.Stop()
	for {
		s.server.Gateway.View()
		tellSystemd(s.logger, daemon.SdNotifyWatchdog)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tellSystemd does nothing if systemd does not expect notifications.
func tellSystemd(logger *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("Could not notify systemd", "state", state, "err", err)
	}
}
