package crash_test

import (
	"net/http"
	"strings"
	"time"

	"pushgateway/internal/testproc"
)

// checkRefusal looks at the answer to a push that could not be stored.
func (s *server) checkRefusal(a answer, reason string) {
	s.t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "could not store the change") || !strings.Contains(a.body, reason) {
		s.t.Errorf("a push that could not be stored was answered %d, Retry-After %q, %q; want 503 with the reason %q", a.status, a.header.Get("Retry-After"), a.body, reason)
	}
}

// checkReady looks at what the gateway says of itself after a failure: it is
// ready for scrapes. It gives whether it is unready for pushes, for a reason;
// between a failure and the next it may be ready.
func (s *server) checkReady(reason string) (unready bool) {
	s.t.Helper()
	if a := s.get("/-/ready"); a.status != http.StatusOK {
		s.t.Errorf("GET /-/ready: got %d %q while only pushes fail", a.status, a.body)
	}
	a := s.get("/-/ready?for=push")
	switch {
	case a.status == http.StatusOK:
		return false
	case a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, reason):
		s.t.Errorf("GET /-/ready?for=push: got %d %q, want 503 with the reason %q", a.status, a.body, reason)
	}
	return true
}

// awaitWritable pushes until that works again.
func (s *server) awaitWritable(m *model, reason string) {
	s.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); ; time.Sleep(10 * time.Millisecond) { // it tries once a second
		c := change{group: m.groups[m.number%len(m.groups)], method: http.MethodPut, number: m.next(), families: smallNames}
		a := s.send(c)
		if a.taken(c) {
			return
		}
		s.checkRefusal(a, reason)
		if time.Now().After(deadline) {
			s.t.Fatalf("pushes are not taken again by themselves: got %d %q\n%s", a.status, a.body, s.Log)
		}
	}
}
