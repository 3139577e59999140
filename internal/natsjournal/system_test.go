package natsjournal_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// TestSystemCredentials gives a member what it needs to see all servers. It must tell
// which of them does not sync, is too old, or has lost a message. The second server is
// played by the test.
func TestSystemCredentials(t *testing.T) {
	t.Parallel()
	c, credentials := natstest.StartSecured(t, nil, nil, nil)
	other, err := nats.Connect(c.URLs()[0], nats.UserCredentials(c.SystemCredentials(nil, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	const ping = "$SYS.REQ.SERVER.PING.JSZ"
	log := new(lines)
	a, j := openWith(t, natsjournal.Config{
		URLs: c.URLs(), Stream: "S", Credentials: credentials, SystemCredentials: c.SystemCredentials([]string{ping}, []string{"_INBOX.>"}),
		Audit: 300 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if strings.Contains(log.String(), "Not checked") {
		t.Error("the member says that it does not check")
	}
	eventually(t, "that the member checks the servers", func() bool { return strings.Contains(log.String(), "Checked all NATS servers") })
	mustPush(t, a, "a", "m 1\n")

	answers := make(chan *nats.Msg, 100)
	real := other.NewInbox()
	if _, err := other.ChanSubscribe(real, answers); err != nil {
		t.Fatal(err)
	}
	_, err = other.Subscribe(ping, func(m *nats.Msg) {
		if m.Reply != real {
			_ = other.PublishRequest(ping, real, m.Data)
			_ = m.Respond(damaged(t, <-answers))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"second has version 2.10.0; upgrade it", "second does not sync each message", "on second has lost 1 messages; stop second"} {
		eventually(t, want, func() bool { return strings.Contains(log.String(), want) })
		if strings.Count(log.String(), want) != 1 && !strings.Contains(want, "lost") {
			t.Errorf("it is told more than once: %s", want)
		}
	}
	if j.Status().Diverging == 0 {
		t.Error("the lost message does not count")
	}
}

// damaged returns the report of a server as if it came from a second one, which has
// problems.
func damaged(t *testing.T, m *nats.Msg) []byte {
	var report map[string]any
	if err := json.Unmarshal(m.Data, &report); err != nil {
		t.Error(err)
		return nil
	}
	server, data := report["server"].(map[string]any), report["data"].(map[string]any)
	server["name"], server["ver"] = "second", "2.10.0"
	delete(data["config"].(map[string]any), "sync_always")
	accounts, _ := data["account_details"].([]any)
	for _, account := range accounts {
		streams, _ := account.(map[string]any)["stream_detail"].([]any)
		for _, stream := range streams {
			state := stream.(map[string]any)["state"].(map[string]any)
			state["num_subjects"] = state["num_subjects"].(float64) - 1
		}
	}
	content, err := json.Marshal(report)
	if err != nil {
		t.Error(err)
	}
	return content
}
