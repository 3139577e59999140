package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
	"pushgateway/internal/live"
	"pushgateway/internal/login"
)

// hook calls f before it is read.
type hook struct {
	io.Reader
	f func()
}

func (h *hook) Read(p []byte) (int, error) {
	h.f()
	return h.Reader.Read(p)
}

// reloaded are settings that are read from content again and again.
func reloaded(t *testing.T, content *string) *live.Current {
	t.Helper()
	current, err := live.Open(func() (*live.Settings, error) {
		file, err := config.Parse("gateway.yml", []byte(*content))
		if err != nil {
			return nil, err
		}
		s := live.New(file, guard.Limits{})
		s.Users = login.NewUsers(file.Access, login.NewHashes(), nil)
		return s, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return current
}

// TestOneConfigurationPerRequest reloads while a push is in progress: after it
// has arrived, and while its body arrives. The push goes by the file from before,
// and the next one by the new file.
func TestOneConfigurationPerRequest(t *testing.T) {
	const open, closed, tight = "{}", "access: {anonymous: []}", "limits: {max_series_per_push: 1}"
	statuses := map[string]int{open: http.StatusOK, closed: http.StatusUnauthorized, tight: http.StatusRequestEntityTooLarge}
	for _, tt := range []struct{ before, after string }{{open, closed}, {open, tight}, {closed, open}, {closed, tight}, {tight, open}, {tight, closed}} {
		for _, moment := range []string{"handler", "body"} {
			content := tt.before
			c := configured(t)
			c.Settings = reloaded(t, &content)
			reach := func(here string) {
				if here != moment {
					return
				}
				content = tt.after
				if _, err := c.Settings.Reload(); err != nil {
					t.Error(err)
				}
			}
			c.Instrument = func(_ string, h http.HandlerFunc) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					reach("handler")
					h(w, r)
				}
			}
			handler := New(c)
			push := func() int {
				body := &hook{strings.NewReader("m 1\nn 2\n"), func() { reach("body") }}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/metrics/job/a", body))
				return w.Code
			}
			if got := push(); got != statuses[tt.before] {
				t.Errorf("from %q to %q before the %s: got %d", tt.before, tt.after, moment, got)
			}
			reach(moment) // a push may be refused without a look at its body
			if got := push(); got != statuses[tt.after] {
				t.Errorf("from %q to %q before the %s: the next push got %d", tt.before, tt.after, moment, got)
			}
		}
	}
}

// TestSettingsCostNothing wants requests to be passed on as they are if no
// configuration can change.
func TestSettingsCostNothing(t *testing.T) {
	a := &api{Config: configured(t)}
	var got *http.Request
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r })
	r := httptest.NewRequest(http.MethodPut, "/", nil)
	if a.settled(next).ServeHTTP(nil, r); got != r || a.settings(r) != a.Settings.Get() {
		t.Error("the request is a copy")
	}
}
