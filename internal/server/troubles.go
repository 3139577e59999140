package server

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
	"pushgateway/internal/trouble"
)

// watchTroubles begins to look for what keeps the gateway from doing its work.
func (s *Server) watchTroubles(start time.Time) {
	checks := []trouble.Check{
		s.storageTrouble, s.limitTrouble,
		s.rhythm.Check(start, func() bool { return s.Gateway.View().Groups() > 0 }),
	}
	if _, shared := s.store.Cluster(); shared {
		checks = append(checks, s.clusterTrouble, s.memberTrouble)
	}
	if s.current.Changes() {
		checks = append(checks, s.configTrouble, s.restartTrouble)
	}
	s.troubles = trouble.NewWatch(checks...)
}

// storageTrouble reports that changes cannot be stored, or were not a moment
// ago.
func (s *Server) storageTrouble(now time.Time) *trouble.Finding {
	f := &trouble.Finding{Kind: trouble.Storage}
	where, health := "", s.store.Health()
	if health == nil {
		s.unstored.Worked(now) // memory has no write that could show it
	} else {
		where = fmt.Sprintf(": the %s %s cannot be written", s.storageName, health.Name())
	}
	err := s.unstored.Add(f, now)
	if refused := s.Gateway.Err(); refused != nil {
		f.Last, err = time.Time{}, refused
	}
	switch {
	case err != nil:
		f.Summary, f.Past = "Pushes are refused"+where+".", "Pushes were refused"+where+"."
	case health != nil && health.Trouble() != nil:
		err = health.Trouble()
		f.Summary, f.Past = "Pushes are accepted, but a crash would lose them"+where+".", "Pushes were accepted, but a crash would have lost them"+where+"."
	default:
		return nil
	}
	f.Past = strings.ReplaceAll(f.Past, "cannot", "could not")
	f.Reason, f.Advice = err.Error(), s.storageAdvice(err)
	return f
}

func (s *Server) storageAdvice(err error) string {
	const byItself = " The gateway then goes on by itself."
	_, shared := s.store.Cluster()
	switch {
	case shared:
		return "Check the NATS servers and the network to them." + byItself
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "Free space on the disk." + byItself
	case errors.Is(err, syscall.EFBIG):
		return "Raise the limit of the size of files, which ulimit -f shows."
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "Make the directory writable for the gateway." + byItself
	}
	return "Check the disk, and what the log of the gateway says. It tries again by itself."
}

// limitTrouble reports a limit of what may be stored that is reached.
func (s *Server) limitTrouble(time.Time) *trouble.Finding {
	for _, u := range uses(s.Gateway, s.current.Get()) {
		if u.Most == 0 || u.Used < u.Most {
			continue
		}
		name := guard.Limit(u.Limit)
		where := fmt.Sprintf("%s of %d", name.Key(), u.Most)
		if u.Rule != "" {
			where += fmt.Sprintf(" in the rule for %s", u.Rule)
		}
		return &trouble.Finding{
			Kind:    trouble.Limit,
			Summary: fmt.Sprintf("Pushes that add more are refused: the limit %s is reached.", where),
			Past:    fmt.Sprintf("Pushes that added more were refused: the limit %s was reached.", where),
			Advice:  "Delete groups that nobody needs, or raise the limit and reload the configuration.",
		}
	}
	return nil
}

// maxLag is for how long a member may not know that it has everything.
const maxLag = 10 * time.Second

// clusterTrouble reports that this member does not hear from the servers.
func (s *Server) clusterTrouble(now time.Time) *trouble.Finding {
	state, _ := s.store.Cluster()
	f := &trouble.Finding{Kind: trouble.Cluster, Since: now.Add(-state.Lag), Advice: "Check the NATS servers and the network to them. The gateway then catches up by itself. Other members may be newer: their pages show it."}
	switch {
	case !state.Connected && state.Lag > 0:
		f.Summary = "This member of the cluster has no connection to a NATS server. It shows what it had, and refuses pushes."
		f.Past = "This member of the cluster had no connection to a NATS server."
	case state.Lag > maxLag:
		f.Summary = fmt.Sprintf("This member of the cluster lags: it may lack what others have stored for %s.", state.Lag.Round(time.Second))
		f.Past = "This member of the cluster lagged: it lacked what others had stored."
	default:
		return nil
	}
	return f
}

// memberTrouble reports other members that lag, as far as this one knows.
func (s *Server) memberTrouble(now time.Time) *trouble.Finding {
	if state, _ := s.store.Cluster(); !state.Connected {
		return nil
	}
	var lagging []string
	since := now
	for _, m := range s.store.Members() {
		if m.Self || m.Lag <= maxLag {
			continue
		}
		lagging = append(lagging, fmt.Sprintf("%s by %s", excerpt.Of(m.Address), m.Lag.Round(time.Second)))
		if began := now.Add(-m.Lag); began.Before(since) {
			since = began
		}
	}
	if len(lagging) == 0 {
		return nil
	}
	return &trouble.Finding{
		Kind: trouble.Member, Since: since,
		Summary: fmt.Sprintf("Other members of the cluster lag, or have ended without leaving it: %s.", strings.Join(lagging, ", ")),
		Past:    "Another member of the cluster lagged.",
		Advice:  "Check that these gateways run and reach the NATS servers. Scrape another member meanwhile. One that is gone for good is forgotten after an hour.",
	}
}

// configTrouble reports that the settings in force are not those of the file.
func (s *Server) configTrouble(time.Time) *trouble.Finding {
	state := s.current.State()
	if state.Successful || state.Err == nil {
		return nil
	}
	file := s.current.Get().File
	return &trouble.Finding{
		Kind: trouble.Config, Since: state.Failure, Reason: state.Err.Error(),
		Summary: fmt.Sprintf("The configuration file %s could not be read again. The settings from before stay in force.", file),
		Past:    fmt.Sprintf("The configuration file %s could not be read again. The settings from before were in force.", file),
		Advice:  "Correct the file, try it with pushgateway check config, and reload it.",
	}
}

// restartTrouble reports settings in the file that are not in force yet.
func (s *Server) restartTrouble(time.Time) *trouble.Finding {
	now := s.current.Get()
	if len(now.Waiting) == 0 {
		return nil
	}
	keys := strings.Join(now.Waiting, ", ")
	return &trouble.Finding{
		Kind: trouble.Restart, Since: s.current.State().Success,
		Summary: fmt.Sprintf("Settings in %s wait for a restart: %s.", now.File, keys),
		Past:    fmt.Sprintf("Settings in %s waited for a restart: %s.", now.File, keys),
		Advice:  "Restart the gateway when it suits, or take the change back and reload.",
	}
}
