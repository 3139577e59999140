package natsjournal_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// TestLongStart reads a stream that is longer than a page, with and without the
// right to have a consumer.
func TestLongStart(t *testing.T) {
	for _, consumers := range []int{-1, 1} {
		t.Run(fmt.Sprint("consumers ", consumers), func(t *testing.T) {
			t.Parallel()
			c := natstest.StartUnsynced(t)
			o := newOperator(t, c)
			g := open(t, c.URLs(), 1)
			_ = g.Close()
			o.allowConsumers(consumers)
			g = open(t, c.URLs(), 1)
			for n := range 500 {
				mustPush(t, g, fmt.Sprint("job", n), "m 1\n")
			}
			for n := range 500 { // a gap for each of these
				mustPush(t, g, fmt.Sprint("job", n%2*n), "m 2\n")
			}
			again, err := gateway.Open(t.Context(), gateway.Config{Journal: natsjournal.New(natsjournal.Config{URLs: c.URLs(), Stream: "S", Page: 40})})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			for n := range 500 {
				key := keyOf(t, fmt.Sprint("job", n))
				if there, here := g.Group(key), again.Group(key); here == nil || here.Revision != there.Revision {
					t.Fatalf("%s: %v, want that of %v", key, here, there)
				}
			}
			var state struct {
				Total int `json:"total"`
			}
			if err := json.Unmarshal(o.ask("CONSUMER.NAMES.S", nil), &state); err != nil || state.Total != 1 {
				t.Errorf("%d consumers, want 1 (%v)", state.Total, err)
			}
		})
	}
}

// allowConsumers makes the stream anew with a limit of consumers. One takes the
// only place.
func (o operator) allowConsumers(most int) {
	var info struct {
		Config map[string]any `json:"config"`
	}
	if err := json.Unmarshal(o.ask("STREAM.INFO.S", nil), &info); err != nil {
		o.t.Fatal(err)
	}
	o.ask("STREAM.DELETE.S", nil)
	info.Config["max_consumers"] = most
	o.ask("STREAM.CREATE.S", info.Config)
	if most > 0 {
		o.ask("CONSUMER.CREATE.S.other", map[string]any{"stream_name": "S", "config": map[string]any{"name": "other", "durable_name": "other", "ack_policy": "none"}})
	}
}
