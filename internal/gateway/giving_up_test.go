package gateway_test

import (
	"errors"
	"testing"

	"pushgateway/internal/gateway"
)

// TestGivesUpInProgress has a push replace what its group has of a name. While it is
// in progress, another one pushes what contradicts the new state but not the old one.
func TestGivesUpInProgress(t *testing.T) {
	const gauge, summary = "# TYPE m gauge\nm 1\n", "# TYPE m summary\nm_sum 1\nm_count 1\n"
	for name, c := range map[string]struct{ before, becomes, pushed string }{
		"type":              {gauge, summary, gauge},
		"type of a summary": {summary, gauge, summary},
		"takes a suffix":    {"m_sum 1\n", summary, "m_sum 1\n"},
		"is a suffix":       {summary, "m_sum 1\n", summary},
		"hides a suffix":    {gauge, summary, "m_sum 1\n"},
		"more families":     {gauge + "other 1\n", summary + "other 1\n", "other 1\n" + gauge},
	} {
		t.Run(name, func(t *testing.T) {
			g, letGo := slowChange(t, key(t, "a"), c.before, c.becomes)
			defer letGo()
			conflict := (*gateway.ConflictError)(nil)
			if err := push(t, g, key(t, "b"), c.pushed); !errors.As(err, &conflict) {
				t.Errorf("the other push got %v, want a conflict", err)
			}
			letGo()
			if v := g.View(); v.LeftOut != 0 || v.Group(key(t, "a")) == nil {
				t.Errorf("%d families are left out", v.LeftOut)
			}
		})
	}
}

// TestKeepsInProgress has a push in progress that keeps what its group has of a name,
// and pushes of others that do not contradict it.
func TestKeepsInProgress(t *testing.T) {
	for name, c := range map[string]struct{ before, becomes, pushed string }{
		"the same":        {"m 1\n", "m 2\n", "m 3\n"},
		"another name":    {"m 1\n", "n 2\n", "m 3\n"},
		"the new type":    {"m 1\n", "# TYPE n gauge\nn 2\n", "# TYPE n gauge\nn 3\n"},
		"without suffix":  {"m_sum 1\n", "n 1\n", "m_sum 1\n"},
		"the same suffix": {"# TYPE m summary\nm_sum 1\nm_count 1\n", "# TYPE m summary\nm_sum 2\nm_count 1\n", "# TYPE m summary\nm_sum 3\nm_count 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			g, letGo := slowChange(t, key(t, "a"), c.before, c.becomes)
			mustPush(t, g, key(t, "b"), c.pushed)
			letGo()
			if n := g.View().LeftOut; n != 0 {
				t.Errorf("%d families are left out", n)
			}
		})
	}
}
