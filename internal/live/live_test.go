package live_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
	"pushgateway/internal/live"
)

// parse returns the settings of a file.
func parse(content string) (*live.Settings, error) {
	c, err := config.Parse("gateway.yml", []byte(content))
	if err != nil {
		return nil, err
	}
	return live.New(c, guard.Limits{}), nil
}

// open reads content as often as the settings are read.
func open(t *testing.T, content *string) *live.Current {
	t.Helper()
	c, err := live.Open(func() (*live.Settings, error) { return parse(*content) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReload(t *testing.T) {
	content := "limits: {max_series_per_push: 5, max_connections: 7}"
	c := open(t, &content)
	var told []int
	c.OnChange(func(s *live.Settings) { told = append(told, s.Limits.Push.Series) })
	first := c.Get()

	content = "limits: {max_series_per_push: 6, max_connections: 8}"
	s, err := c.Reload()
	if err != nil || s != c.Get() || s.Limits.Push.Series != 6 || first.Limits.Push.Series != 5 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s.Limits.Connections.Connections != 7 || !slices.Equal(s.Waiting, []string{"limits.max_connections"}) {
		t.Errorf("%d connections, and %q waits for a restart", s.Limits.Connections.Connections, s.Waiting)
	}
	success := c.State()
	if !success.Successful || success.Success.IsZero() {
		t.Errorf("after a success: %+v", success)
	}

	content = "limit: {}"
	if kept, err := c.Reload(); err == nil || kept != s || c.Get() != s {
		t.Errorf("a wrong file: got %+v, %v", kept, err)
	}
	if after := c.State(); after.Successful || after.Success != success.Success {
		t.Errorf("after a failure: %+v", after)
	}
	if !slices.Equal(told, []int{6}) {
		t.Errorf("told of %v", told)
	}
	content = "limits: {max_series_per_push: 6, max_connections: 7}"
	if s, err = c.Reload(); err != nil || s.Waiting != nil || !c.State().Successful {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestReloadsAtOnce reloads while others read. Readers must never see settings
// older than those that they saw before.
func TestReloadsAtOnce(t *testing.T) {
	n := 0
	c, err := live.Open(func() (*live.Settings, error) {
		if n++; n%3 == 2 {
			return nil, errors.New("wrong")
		}
		return &live.Settings{Limits: guard.Limits{Push: guard.PushLimits{Series: n}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				_, _ = c.Reload()
			}
		})
		all.Go(func() {
			for last := 0; last < 400; last = c.Get().Limits.Push.Series {
				if now := c.Get().Limits.Push.Series; now < last {
					t.Errorf("got %d after %d", now, last)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestFixed(t *testing.T) {
	s := new(live.Settings)
	c := live.Fixed(s)
	if got, err := c.Reload(); !errors.Is(err, live.ErrFixed) || got != s || c.Get() != s || c.Changes() {
		t.Errorf("got %v, %v", got, err)
	}
}
