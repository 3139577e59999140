package natstest

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// TestShippedConfig reads the configuration of the servers in the compose file of
// a cluster as the servers do.
func TestShippedConfig(t *testing.T) {
	t.Setenv("NATS_NAME", "nats-2")
	o, err := server.ProcessConfigFile("../../deploy/compose/cluster/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !o.SyncAlways || !o.JetStream || o.StoreDir != "/data" || o.MaxPayload != 8<<20 || o.ServerName != "nats-2" || len(o.Routes) != 3 {
		t.Errorf("%+v", o)
	}
}
