package natstest

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// StartWith starts a server with a part of a configuration file beside what all have,
// such as accounts.
func StartWith(t testing.TB, config string) *Cluster {
	t.Helper()
	return start(t, 1, func(o *server.Options) {
		o.SyncAlways = true
		configure(t, o, config)
	})
}

// Reload gives a server that StartWith has started another part of a configuration
// file, while it runs.
func (c *Cluster) Reload(config string) {
	c.t.Helper()
	o := c.options[0].Clone()
	o.Accounts, o.Users = nil, nil
	configure(c.t, o, config)
	if err := c.servers[0].ReloadOptions(o); err != nil {
		c.t.Fatal(err)
	}
}

func configure(t testing.TB, o *server.Options, config string) {
	t.Helper()
	if err := o.ProcessConfigString(config); err != nil {
		t.Fatal(err)
	}
}
