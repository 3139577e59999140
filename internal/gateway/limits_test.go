package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
)

// TestGroupLimits pushes to groups at their limit, and to groups that an
// earlier version let grow beyond it.
func TestGroupLimits(t *testing.T) {
	long := "m{a=\"" + strings.Repeat("x", 300) + "\"} 1\n"
	for _, tt := range []struct {
		name    string
		limits  gateway.Limits
		has     string // stored without a limit
		replace bool
		push    string
		refused bool
	}{
		{"one series too many", gateway.Limits{Series: 2}, "a 1\nb 1\n", false, "c 1\n", true},
		{"the same again", gateway.Limits{Series: 2}, "a 1\nb 1\n", false, "b 2\n", false},
		{"beyond, and grows", gateway.Limits{Series: 1}, "a 1\nb 1\n", false, "c 1\n", true},
		{"beyond, and stays", gateway.Limits{Series: 1}, "a 1\nb 1\n", false, "b 2\n", false},
		{"beyond, and shrinks", gateway.Limits{Series: 1}, "a 1\nb 1\nc 1\n", true, "b 2\na 1\n", false},
		{"a new group beyond", gateway.Limits{Series: 1}, "", true, "b 2\na 1\n", true},
		{"too much text", gateway.Limits{Text: 300}, "a 1\n", false, long, true},
		{"text that stays", gateway.Limits{Text: 300}, long, false, long, false},
		{"the defaults", gateway.Limits{}, "a 1\n", false, long, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, k := journaltest.NewShared(t), key(t, "job")
			if before := open(t, gateway.Config{Journal: store.Member()}); tt.has != "" {
				mustPush(t, before, k, tt.has)
			}
			g := open(t, gateway.Config{Journal: store.Member(), Limits: tt.limits})
			mode := gateway.MergeFamilies
			if tt.replace {
				mode = gateway.Replace
			}
			err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: blocks(t, k, tt.push), Mode: mode})
			if errors.Is(err, exposition.ErrTooLarge) != tt.refused || (err == nil) == tt.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}
