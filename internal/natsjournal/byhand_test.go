package natsjournal_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// TestNeighbors has clusters in one NATS whose names begin alike. None sees what
// another one has, and each ends its own groups alone.
func TestNeighbors(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	names := []string{"PUSH", "PUSHGATEWAY", "PUSH-GATEWAY", "PUSH_GATEWAY", "push", "pg", "g"}
	clusters, journals := make([][]*gateway.Gateway, len(names)), make([]*natsjournal.Journal, len(names))
	for i, name := range names {
		for range 2 {
			g, j := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: name, Member: name + ":1"})
			clusters[i], journals[i] = append(clusters[i], g), j
		}
	}
	for i, name := range names {
		mustPush(t, clusters[i][0], "shared", "# TYPE m gauge\nm{from=\""+name+"\"} 1\n")
		mustPush(t, clusters[i][1], name, "# TYPE m gauge\nm 1\n")
	}
	if err := clusters[0][1].Delete(t.Context(), keyOf(t, "shared")); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		want := 2
		if i == 0 {
			want = 1
		}
		for _, g := range clusters[i] {
			if err := g.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := g.View().Groups(); n != want {
				t.Errorf("%s has %d groups, want %d", name, n, want)
			}
			if g.Group(keyOf(t, name)) == nil {
				t.Errorf("%s lacks its group", name)
			}
		}
		for _, peer := range journals[i].Peers() {
			if peer.Address != name+":1" {
				t.Errorf("%s lists %+v", name, peer)
			}
		}
	}
}

// TestStreamByHand makes streams with settings of their own. A member refuses each
// that could lose groups, and names it. It takes those that do no harm.
func TestStreamByHand(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	o := newOperator(t, c)
	for _, tt := range []struct {
		setting string
		value   any
		says    string // "" if it does no harm
	}{
		{"subjects", []string{"pg.>"}, "subjects is [pg.>], but must be [pg.S.>]"},
		{"subjects", []string{"pg.S.g.>"}, "subjects is [pg.S.g.>], but must be [pg.S.>]"},
		{"retention", "workqueue", "retention is workqueue, but must be limits"},
		{"retention", "interest", "retention is interest, but must be limits"},
		{"storage", "memory", "storage is memory, but must be file"},
		{"discard", "old", "discard is old, but must be new"},
		{"discard_new_per_subject", true, "discard_new_per_subject is true, but must be false"},
		{"max_age", 2 * time.Hour, "max_age is 2h0m0s, but must be unlimited"},
		{"max_msg_size", 1000, "max_msg_size is 1000, but must be unlimited"},
		{"max_msgs", 1000, "max_msgs is 1000, but must be unlimited"},
		{"max_msgs_per_subject", -1, "max_msgs_per_subject is -1, but must be 1"},
		{"allow_direct", false, "allow_direct is false, but must be true"},
		{"subject_delete_marker_ttl", 10 * time.Minute, "subject_delete_marker_ttl is 10m0s, but must be 1h0m0s"},
		{"deny_delete", true, "deny_delete is true, but must be false"},
		{"republish", nil, "republish is absent, but must be pg.S.> to pgf.S.>"},
		{"duplicate_window", 5 * time.Minute, ""},
		{"compression", "s2", ""},
		{"max_consumers", 1, ""},
		{"max_bytes", 1 << 20, ""},
		{"deny_purge", true, ""},
		{"allow_rollup_hdrs", true, ""},
		{"allow_atomic", true, ""},
		{"metadata", map[string]string{"made": "by hand"}, ""},
	} {
		config := map[string]any{
			"name": "S", "subjects": []string{"pg.S.>"}, "retention": "limits", "storage": "file", "num_replicas": 1,
			"max_msgs_per_subject": 1, "discard": "new", "allow_direct": true, "allow_msg_ttl": true, "subject_delete_marker_ttl": time.Hour,
			"republish": map[string]any{"src": "pg.S.>", "dest": "pgf.S.>"},
		}
		maps.Copy(config, map[string]any{tt.setting: tt.value})
		content, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "a stream with "+tt.setting, func() bool { // the files of the one before may be there still
			m, err := o.Request("$JS.API.STREAM.CREATE.S", content, 5*time.Second)
			return err == nil && !strings.Contains(string(m.Data), `"error"`)
		})
		g, err := tryOpen(t, c.URLs(), 1)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s %v: %v", tt.setting, tt.value, err)
		case tt.says == "":
			mustPush(t, g, "a", "m 1\n")
			_ = g.Close()
		case err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "nats stream edit"):
			t.Errorf("%s %v: a member that starts says %v", tt.setting, tt.value, err)
		}
		o.ask("STREAM.DELETE.S", nil)
	}
}

// TestStreamOverlaps has a stream of another name that stores the messages of a cluster.
func TestStreamOverlaps(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	newOperator(t, c).ask("STREAM.CREATE.OTHER", map[string]any{"name": "OTHER", "subjects": []string{"pg.>"}})
	if _, err := tryOpen(t, c.URLs(), 1); err == nil || !strings.Contains(err.Error(), "another stream stores messages of the same subjects") {
		t.Errorf("a member that starts says %v", err)
	}
}
