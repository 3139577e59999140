package natsjournal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// behindRelay opens a member behind a relay, with frequent audits.
func behindRelay(t *testing.T) (c *natstest.Cluster, r *natstest.Relay, a *gateway.Gateway, j *natsjournal.Journal, log *lines) {
	t.Helper()
	c, log = natstest.Start(t, 1), new(lines)
	r = natstest.NewRelay(t, c)
	a, j = openWith(t, natsjournal.Config{URLs: r.URLs(), Stream: "S", Audit: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
	return c, r, a, j, log
}

// asks reports whether a message answers a request about the stream that contains a
// text.
func asks(p natstest.Passing, part string) bool {
	return p.Request != nil && p.Request.Subject == "$JS.API.STREAM.INFO.S" && strings.Contains(string(p.Request.Data), part)
}

// edit changes the answer to a request about the stream.
func edit(t *testing.T, p natstest.Passing, change func(state map[string]any)) {
	t.Helper()
	var info map[string]any
	if err := json.Unmarshal(p.Data, &info); err != nil {
		t.Error(err)
		return
	}
	if state, ok := info["state"].(map[string]any); ok {
		change(state)
	}
	var err error
	if p.Msg.Data, err = json.Marshal(info); err != nil {
		t.Error(err)
	}
}

// hides makes answers about the stream lack a subject.
func hides(t *testing.T, p natstest.Passing, subject string) {
	t.Helper()
	edit(t, p, func(state map[string]any) {
		if subjects, ok := state["subjects"].(map[string]any); ok {
			delete(subjects, subject)
		}
	})
}

// TestStaleLeader has a leader that does not know that there is another: it says many
// times that the stream ends early. Once the other one answers, pushes are taken.
func TestStaleLeader(t *testing.T) {
	t.Parallel()
	_, r, a, j, _ := behindRelay(t)
	mustPush(t, a, "a", "m 1\n")
	var lies atomic.Int64
	r.Tamper(func(p natstest.Passing) bool {
		if asks(p, "") {
			edit(t, p, func(state map[string]any) { state["last_seq"] = 1 })
			lies.Add(1)
		}
		return true
	})
	eventually(t, "that the member has asked often", func() bool { return lies.Load() > 15 })
	if err := j.Err(); err != nil {
		t.Errorf("the member trusts a leader that may be none: %v", err)
	}
	r.Tamper(func(natstest.Passing) bool { return true })
	mustPush(t, a, "a", "m 2\n")
}

// TestListShifted hides a group in the list of all groups, as when groups are made
// and ended between its pages. Nobody may be told that a group is missing.
func TestListShifted(t *testing.T) {
	t.Parallel()
	_, r, a, j, log := behindRelay(t)
	for i := range 5 {
		mustPush(t, a, fmt.Sprint("j", i), "m 1\n")
	}
	var lists atomic.Int64
	r.Tamper(func(p natstest.Passing) bool {
		if asks(p, "offset") {
			hides(t, p, subjectOf(keyOf(t, "j3")))
			lists.Add(1)
		}
		return true
	})
	eventually(t, "some comparisons", func() bool { return lists.Load() > 20 })
	if n := j.Status().Diverging; n != 0 || strings.Count(log.String(), "lacks") != 0 {
		t.Errorf("%d groups are said to be missing:\n%s", n, log)
	}
}

// refuses changes the answer to a write: its subject has another last sequence.
func refuses(p natstest.Passing, seq uint64) {
	p.Msg.Data = fmt.Appendf(nil, `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: %d"},"stream":"S","seq":0}`, seq)
}

// answersWriteTo reports whether a message answers a write to a group.
func answersWriteTo(t *testing.T, p natstest.Passing, job string) bool {
	return p.Request != nil && p.Request.Subject == subjectOf(keyOf(t, job))
}

// TestRefusedByOldLeader has two leaders for a while, as when one hears nothing of the
// others: both receive a change. The new one stores it, and its answer is lost. What
// the old one answers does not show that the change has not happened.
func TestRefusedByOldLeader(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"another write on its way": `"code":400,"err_code":10164,"description":"wrong last sequence"`,
		"an older sequence":        `"code":400,"err_code":10071,"description":"wrong last sequence: 1"`,
		"no sequence":              `"code":400,"err_code":10071,"description":"wrong last sequence: 0"`,
		"no leader":                `"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"`,
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Start(t, 1)
			r := natstest.NewRelay(t, c)
			a, err := gateway.Open(t.Context(), gateway.Config{Journal: natsjournal.New(natsjournal.Config{URLs: r.URLs(), Stream: "S"}), Wait: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			mustPush(t, a, "b", "m 1\n") // so that there is an older sequence
			sum(t, a, "a")
			r.Tamper(func(p natstest.Passing) bool {
				if answersWriteTo(t, p, "a") {
					p.Msg.Data = fmt.Appendf(nil, `{"error":{%s},"stream":"S","seq":0}`, answer)
					return true
				}
				return p.Request == nil && !strings.HasPrefix(p.Subject, "pgf.") // neither the feed nor what is asked for
			})
			if err := sum(t, a, "a"); err == nil || !strings.Contains(err.Error(), "may still be stored later") {
				t.Errorf("a push that is stored ends with %v", err)
			}
			r.Tamper(func(natstest.Passing) bool { return true })
			eventually(t, "that the push is there", func() bool { return valueOf(a, keyOf(t, "a")) == "2" })
			if err := sum(t, a, "a"); err != nil {
				t.Error(err)
			}
			if got := valueOf(open(t, c.URLs(), 1), keyOf(t, "a")); got != "3" {
				t.Errorf("three pushes add up to %s", got)
			}
		})
	}
}

// TestReplacedInAGap loses what the servers say of a push, and shows the member the push
// of another one that came on top of it before the member can fetch its own. The push
// must not count twice.
func TestReplacedInAGap(t *testing.T) {
	t.Parallel()
	c, r, a, _, _ := behindRelay(t)
	b := open(t, c.URLs(), 1)
	if err := sum(t, a, "a"); err != nil {
		t.Fatal(err)
	}
	key, feed := keyOf(t, "a"), strings.Replace(subjectOf(keyOf(t, "a")), "pg.", "pgf.", 1)
	refused := make(chan bool, 100)
	var own atomic.Bool
	r.Tamper(func(p natstest.Passing) bool {
		switch {
		case p.Request == nil && p.Subject == feed:
			return own.Swap(true) // the first one is lost
		case p.Request == nil:
			return !strings.HasPrefix(p.Subject, "$JS.API.DIRECT.GET")
		case !answersWriteTo(t, p, "a"):
			return true
		case strings.Contains(string(p.Data), "wrong last"):
			refused <- true
			return true
		}
		return false
	})
	pushed := make(chan error, 1)
	go func() { pushed <- sum(t, a, "a") }()
	eventually(t, "the push at the other member", func() bool { return valueOf(b, key) == "2" })
	if err := sum(t, b, "a"); err != nil {
		t.Fatal(err)
	}
	<-refused
	time.Sleep(100 * time.Millisecond) // in which the member must not decide
	r.Tamper(func(natstest.Passing) bool { return true })
	if err := <-pushed; err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("the push ends with %v, want that its outcome is not known", err)
	}
	if got := valueOf(open(t, c.URLs(), 1), key); got != "3" {
		t.Errorf("three pushes add up to %s", got)
	}
}

// TestLatestIsLost has servers that name an older message of a group for good. Pushes
// to the group fail, and do not wait for the first of them for ever.
func TestLatestIsLost(t *testing.T) {
	t.Parallel()
	r := natstest.NewRelay(t, natstest.Start(t, 1))
	a, err := gateway.Open(t.Context(), gateway.Config{Journal: natsjournal.New(natsjournal.Config{URLs: r.URLs(), Stream: "S"}), Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	mustPush(t, a, "b", "m 1\n") // so that there is an older message
	mustPush(t, a, "a", "m 1\n")
	r.Tamper(func(p natstest.Passing) bool {
		if p.Request == nil && p.Subject == subjectOf(keyOf(t, "a")) {
			p.Msg.Header.Set("Nats-Expected-Last-Subject-Sequence", "999") // so that it is not taken
		}
		if answersWriteTo(t, p, "a") {
			refuses(p, 1)
		}
		return true
	})
	if err := push(t, a, "a", "m 2\n"); err == nil || !strings.Contains(err.Error(), "may still be stored later") {
		t.Errorf("the push ends with %v", err)
	}
	eventually(t, "that the group takes pushes again", func() bool {
		err := push(t, a, "a", "m 3\n")
		return err != nil && strings.Contains(err.Error(), "may still be stored later") // so it was sent
	})
}

// TestFullAfterATry refuses a push for good after another server may have taken it.
// The push ends at once, and says that it may be stored.
func TestFullAfterATry(t *testing.T) {
	t.Parallel()
	_, r, a, _, _ := behindRelay(t)
	var tries atomic.Int64
	r.Tamper(func(p natstest.Passing) bool {
		switch {
		case p.Request == nil && p.Subject == subjectOf(keyOf(t, "a")):
			p.Msg.Header.Set("Nats-Expected-Last-Subject-Sequence", "999") // so that it is not taken
			tries.Add(1)
		case answersWriteTo(t, p, "a") && tries.Load() == 1:
			p.Msg.Data = []byte(`{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"S","seq":0}`)
		case answersWriteTo(t, p, "a"):
			p.Msg.Data = []byte(`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"S","seq":0}`)
		}
		return true
	})
	if err := sum(t, a, "a"); err == nil || !strings.Contains(err.Error(), "the stream is full") || !strings.Contains(err.Error(), "not known") {
		t.Errorf("the push ends with %v, want that the stream is full, and that it may be stored", err)
	}
	if n := tries.Load(); n != 2 {
		t.Errorf("it was sent %d times, want 2", n)
	}
	r.Tamper(func(natstest.Passing) bool { return true })
	if err := sum(t, a, "a"); err != nil {
		t.Errorf("the next push: %v", err)
	}
	if got := valueOf(a, keyOf(t, "a")); got != "1" {
		t.Errorf("the group has %s, want 1", got)
	}
}

// sum adds 1 to the counter of a group.
func sum(t *testing.T, g *gateway.Gateway, job string) error {
	t.Helper()
	p := pushOf(t, keyOf(t, job), "# TYPE n counter\nn 1\n")
	p.Mode = gateway.Sum
	return g.Push(context.Background(), p)
}

// valueOf returns the value of the only series of a group.
func valueOf(g *gateway.Gateway, key grouping.Key) string {
	group := g.Group(key)
	if group == nil {
		return ""
	}
	text := strings.TrimSpace(string(group.Families[0].Text()))
	return text[strings.LastIndexByte(text, ' ')+1:]
}

// TestGoneFalsely has a new leader that has not caught up: it refuses pushes to a
// group for a moment since it lacks it. Nothing is missing.
func TestGoneFalsely(t *testing.T) {
	t.Parallel()
	_, r, a, j, log := behindRelay(t)
	mustPush(t, a, "a", "m 1\n")
	var refused atomic.Int64
	r.Tamper(func(p natstest.Passing) bool {
		if p.Request == nil && p.Subject == subjectOf(keyOf(t, "a")) && refused.Add(1) <= 10 {
			p.Msg.Header.Set("Nats-Expected-Last-Subject-Sequence", "999") // so that it is not taken
		}
		if answersWriteTo(t, p, "a") && strings.Contains(string(p.Data), "wrong last") {
			refuses(p, 0)
		}
		return true
	})
	mustPush(t, a, "a", "m 2\n")
	if n := j.Status().Diverging; n != 0 || strings.Count(log.String(), "lacks") != 0 {
		t.Errorf("%d groups are said to be missing:\n%s", n, log)
	}
	if a.View().Groups() != 1 {
		t.Error("the group is gone")
	}
}

// TestGoneOnce has a leader that has lost a group which a replica has. Whoever pushes
// to the group is refused many times. It is told once.
func TestGoneOnce(t *testing.T) {
	t.Parallel()
	c, log := natstest.Start(t, 1), new(lines)
	r := natstest.NewRelay(t, c)
	a, j := openWith(t, natsjournal.Config{URLs: r.URLs(), Stream: "S", Logger: slog.New(slog.NewTextHandler(log, nil))})
	mustPush(t, a, "a", "m 1\n")
	subject := subjectOf(keyOf(t, "a"))
	r.Tamper(func(p natstest.Passing) bool {
		switch {
		case asks(p, ""):
			hides(t, p, subject)
		case p.Request == nil && p.Subject == subject:
			p.Msg.Header.Set("Nats-Expected-Last-Subject-Sequence", "999")
		case answersWriteTo(t, p, "a"):
			refuses(p, 0)
		}
		return true
	})
	if err := push(t, a, "a", "m 2\n"); err == nil {
		t.Error("a push succeeded that every server has refused")
	}
	if n := j.Status().Diverging; n != 1 || strings.Count(log.String(), "lacks groups") != 1 {
		t.Errorf("the missing group is told %d times, and counted %d times, want once", strings.Count(log.String(), "lacks groups"), n)
	}
	if a.View().Groups() != 1 {
		t.Error("the group is gone")
	}
}

// TestSilentReplicas has replicas that do not answer for many groups. The member
// still learns what the leader says of the stream.
func TestSilentReplicas(t *testing.T) {
	t.Parallel()
	const pushes = 40
	c, r, a, j, _ := behindRelay(t)
	for i := range pushes {
		mustPush(t, a, fmt.Sprint("j", i), "m 1\n")
	}
	r.Tamper(func(p natstest.Passing) bool {
		switch {
		case asks(p, "pg.S.g."):
			edit(t, p, func(state map[string]any) { state["subjects"] = nil })
		case p.Request == nil && strings.HasPrefix(p.Subject, "$JS.API.DIRECT.GET"):
			return !strings.Contains(string(p.Data), "last_by_subj")
		}
		return true
	})
	time.Sleep(time.Second) // the member begins to look for the groups
	const most = 1 << 30
	o := newOperator(t, c)
	var info struct {
		Config map[string]any `json:"config"`
	}
	if err := json.Unmarshal(o.ask("STREAM.INFO.S", nil), &info); err != nil {
		t.Fatal(err)
	}
	info.Config["max_bytes"] = most
	o.ask("STREAM.UPDATE.S", info.Config)
	eventually(t, "what the leader says", func() bool { return j.MaxSize() == most })
	if a.View().Groups() != pushes {
		t.Error("groups are gone because nobody answered")
	}
}

// TestForeignWhileLate replaces the stream while a push waits for a message that will
// never come. The push ends, and says why.
func TestForeignWhileLate(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	r := natstest.NewRelay(t, c)
	a, err := gateway.Open(t.Context(), gateway.Config{
		Journal: natsjournal.New(natsjournal.Config{URLs: r.URLs(), Stream: "S"}),
		Wait:    time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	mustPush(t, a, "a", "m 1\n")
	refused := make(chan bool, 1)
	r.Tamper(func(p natstest.Passing) bool {
		if p.Request == nil && p.Subject == subjectOf(keyOf(t, "a")) {
			p.Msg.Header.Set("Nats-Expected-Last-Subject-Sequence", "999")
		}
		if answersWriteTo(t, p, "a") {
			refuses(p, 1_000_000)
			select {
			case refused <- true:
			default:
			}
		}
		return true
	})
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	p := pushOf(t, keyOf(t, "a"), "m 2\n")
	go func() { ended <- a.Push(ctx, p) }()
	<-refused
	newOperator(t, c).ask("STREAM.DELETE.S", nil)
	eventually(t, "that a member makes the stream anew", func() bool {
		_, err := tryOpen(t, c.URLs(), 1)
		return err == nil
	})
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "pushgateway backup") {
			t.Errorf("the push ends with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the push does not end")
	}
}

// TestHoleBehindLag hides a push from a member, and then has a replica that lags
// behind answer first when the member looks for it. It must look on.
func TestHoleBehindLag(t *testing.T) {
	t.Parallel()
	c, r, a, _, _ := behindRelay(t)
	b := open(t, c.URLs(), 1)
	mustPush(t, a, "a", "m 1\n")
	subject := subjectOf(keyOf(t, "a"))
	older, err := newOperator(t, c).Request("$JS.API.DIRECT.GET.S", fmt.Appendf(nil, `{"last_by_subj":%q}`, subject), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var stale atomic.Int64
	r.Tamper(func(p natstest.Passing) bool {
		if p.Request == nil || !strings.HasPrefix(p.Request.Subject, "$JS.API.DIRECT.GET") {
			return p.Subject != strings.Replace(subject, "pg.", "pgf.", 1) // the feed
		}
		is := p.Header.Get("Nats-Subject") == subject
		switch lookup := strings.Contains(string(p.Request.Data), "last_by_subj"); {
		case is && !lookup:
			return false
		case is && stale.Add(1) == 1:
			p.Msg.Header, p.Msg.Data = older.Header, older.Data
		}
		return true
	})
	mustPush(t, b, "a", "n 1\n")
	for i := range 3 {
		mustPush(t, b, fmt.Sprint("b", i), "m 1\n")
	}
	mustPush(t, a, "a", "o 1\n")
	if stale.Load() == 0 {
		t.Error("the member has not looked for the push, so the test shows nothing")
	}
	if got := namesOf(a.Group(keyOf(t, "a"))); got != "m,n,o" {
		t.Errorf("the group has %s, want m,n,o", got)
	}
}

// TestHoleWhileUnsure hides a push from a member, and has the stream out of sight
// while the member fetches it. The member must fetch it again.
func TestHoleWhileUnsure(t *testing.T) {
	t.Parallel()
	c, r, a, _, _ := behindRelay(t)
	b := open(t, c.URLs(), 1)
	mustPush(t, a, "a", "m 1\n")
	subject := subjectOf(keyOf(t, "a"))
	var away atomic.Bool
	found, lost := make(chan *nats.Msg, 1), make(chan bool, 100)
	r.Tamper(func(p natstest.Passing) bool {
		switch {
		case p.Request == nil:
			return p.Subject != strings.Replace(subject, "pg.", "pgf.", 1) // the feed
		case away.Load() && strings.HasPrefix(p.Request.Subject, "pg.S.m."):
			p.Msg.Header, p.Msg.Data = nats.Header{"Status": {"503"}}, nil
			lost <- true
		case p.Header.Get("Nats-Subject") != subject:
		case !strings.Contains(string(p.Request.Data), "last_by_subj"):
			return false
		case away.CompareAndSwap(false, true):
			found <- p.Msg
			return false
		}
		return true
	})
	mustPush(t, b, "a", "n 1\n")
	for i := range 3 {
		mustPush(t, b, fmt.Sprint("b", i), "m 1\n")
	}
	pushed := make(chan error, 1)
	go func() { pushed <- push(t, a, "a", "o 1\n") }()
	m := <-found
	go func() { _ = a.Sync(t.Context()) }()
	for range 2 {
		<-lost
	}
	if err := newOperator(t, r.Cluster).PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // the member has the push, and cannot apply it
	away.Store(false)
	r.Tamper(func(p natstest.Passing) bool { return true })
	if err := <-pushed; err != nil {
		t.Error(err)
	}
	if got := namesOf(a.Group(keyOf(t, "a"))); got != "m,n,o" {
		t.Errorf("the group has %s, want m,n,o", got)
	}
}
