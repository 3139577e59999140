package guard_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"pushgateway/internal/guard"
)

// TestRefusalsOfOthersStay has a client that fails on ever new paths. It pushes
// out its own refusals, and not the one of another client.
func TestRefusalsOfOthersStay(t *testing.T) {
	s := guard.NewRefusals(guard.RememberLimits{Refusals: 10}, slog.New(slog.DiscardHandler))
	note := func(client, path string) {
		s.Note(httptest.NewRequest(http.MethodPut, path, nil), guard.Refused{Client: client, Key: path, Reason: "syntax", Err: errors.New("a mistake")})
	}
	note("10.0.0.1", "/metrics/job/nightly")
	note("10.0.0.1", "/metrics/job/nightly")
	for i := range 1000 {
		note("10.0.0.2", fmt.Sprintf("/metrics/job/%d", i))
	}
	all := s.Latest(100)
	if len(all) != 10 || all[0].Path != "/metrics/job/999" || all[8].Path != "/metrics/job/991" {
		t.Errorf("%d are remembered: %+v", len(all), all)
	}
	if last := all[len(all)-1]; last.Client != "10.0.0.1" || last.Times != 2 {
		t.Errorf("the refusal of the other client is gone; the last one is %+v", last)
	}
	if few := s.Latest(3); len(few) != 3 || few[0].Path != "/metrics/job/999" {
		t.Errorf("got %+v", few)
	}
}
