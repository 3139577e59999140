// Package live holds the settings that a running gateway goes by and that can
// change while it runs. A request takes all of them at once, so it never sees a
// part of an old configuration beside a part of a new one.
package live

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
	"pushgateway/internal/login"
)

// Settings are one configuration, ready for use. They never change: a reload
// makes new ones.
type Settings struct {
	// File is the path of the configuration file, or "" without one.
	File string
	// Limits have a value in each field.
	Limits guard.Limits
	// Rules are the rules for groups; see Rules.For.
	Rules config.Rules
	// Jobs are the rules for jobs; see JobRules.For.
	Jobs config.JobRules
	// Users are who may do what. Nil means that everybody may do everything.
	Users *login.Users
	// Cluster is nil if the file does not say that the gateway shares its groups.
	Cluster *config.Cluster
	// Waiting names the keys, like limits.max_connections, whose new value waits
	// for a restart. The settings have the value that holds.
	Waiting []string

	bounds bounds
}

// New returns settings from a configuration, but no users. base are the limits
// that hold where it says nothing.
func New(c *config.Config, base guard.Limits) *Settings {
	limits := c.Limits.Over(base)
	limits.Sources = c.Sources()
	s := &Settings{File: c.File(), Limits: limits.WithDefaults(), Rules: c.Rules, Jobs: c.Jobs, Cluster: c.Cluster}
	s.bounds = boundsOf(c, s.Limits.Stored)
	return s
}

// keep gives s the limits of old that cannot change while the gateway runs.
func (s *Settings) keep(old *Settings) {
	if old.Limits.Body.Inflight != s.Limits.Body.Inflight {
		s.Limits.Body.Inflight = old.Limits.Body.Inflight
		s.Waiting = append(s.Waiting, "limits.max_inflight_bytes")
	}
	if old.Limits.Connections.Connections != s.Limits.Connections.Connections {
		s.Limits.Connections.Connections = old.Limits.Connections.Connections
		s.Waiting = append(s.Waiting, "limits.max_connections")
	}
	if !reflect.DeepEqual(old.Cluster, s.Cluster) {
		s.Cluster = old.Cluster
		s.Waiting = append(s.Waiting, "cluster")
	}
}

// ErrFixed is the error of a reload if there is no configuration file.
var ErrFixed = errors.New("there is no configuration file to read again; start the gateway with --config.file")

// Current is the settings in force. It is safe for concurrent use.
type Current struct {
	settings atomic.Pointer[Settings]
	read     func() (*Settings, error) // nil if they are fixed

	turn    sync.Mutex // of reloads, so that the last one to begin counts
	changed []func(*Settings)
	state   atomic.Pointer[State]
}

// State is how the last reload ended.
type State struct {
	Successful bool
	// Success is when settings were last read successfully.
	Success time.Time
	// Failure is when the last reload failed, and Err is why. They are zero if it was
	// successful.
	Failure time.Time
	Err     error
}

// Fixed returns settings that never change.
func Fixed(s *Settings) *Current {
	c := new(Current)
	c.settings.Store(s)
	return c
}

// Open reads settings that Reload reads again.
func Open(read func() (*Settings, error)) (*Current, error) {
	c := &Current{read: read}
	c.state.Store(new(State))
	_, err := c.Reload()
	return c, err
}

// Get returns the settings in force. A request calls it once, and passes the
// result on.
func (c *Current) Get() *Settings { return c.settings.Load() }

// OnChange lets f know all later settings, once they are in force. f may take its
// time, but must not reload.
func (c *Current) OnChange(f func(*Settings)) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.changed = append(c.changed, f)
}

// Changes reports whether the settings can change.
func (c *Current) Changes() bool { return c.read != nil }

// State returns how the last reload ended. The settings must not be fixed.
func (c *Current) State() State { return *c.state.Load() }

// Reload reads the settings again, and returns those in force from now on. After
// an error these are those from before.
func (c *Current) Reload() (*Settings, error) {
	if c.read == nil {
		return c.settings.Load(), ErrFixed
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	old := c.settings.Load()
	s, err := c.read()
	if err != nil {
		c.state.Store(&State{Success: c.State().Success, Failure: time.Now(), Err: err})
		return old, err
	}
	if old != nil {
		s.keep(old)
	}
	c.settings.Store(s)
	c.state.Store(&State{Successful: true, Success: time.Now()})
	for _, f := range c.changed {
		f(s)
	}
	return s, nil
}
