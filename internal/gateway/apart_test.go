package gateway_test

import (
	"errors"
	"testing"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
)

// TestKeptBlocksTakeMemory replaces one family of many that share memory. The
// others get memory of their own, which the push must pay for.
func TestKeptBlocksTakeMemory(t *testing.T) {
	g := open(t, gateway.Config{})
	k := key(t, "job")
	mustPush(t, g, k, "a 1\nb{x=\"1\"} 1\nb{x=\"2\"} 2\nc 1\n")
	before := g.Group(k)
	kept := before.Text - len(before.Find("a").Text())
	for _, test := range []struct {
		budget int
		err    error
	}{{kept - 1, exposition.ErrBusy}, {kept, nil}, {0, nil}} { // now there is nothing to copy
		err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: blocks(t, k, "a 2\n"), Budget: &purse{test.budget}})
		if !errors.Is(err, test.err) {
			t.Errorf("with %d bytes, the push got %v, want %v", test.budget, err, test.err)
		}
		if changed := g.Group(k) != before; changed != (test.err == nil) {
			t.Errorf("with %d bytes, the group has changed: %v", test.budget, changed)
		}
	}
	for name, want := range map[string]string{"a": "a{instance=\"\",job=\"job\"} 2", "c": "c{instance=\"\",job=\"job\"} 1"} {
		if got := exposedLines(g.View(), name); len(got) != 1 || got[0] != want {
			t.Errorf("exposed is %q, want %q", got, want)
		}
	}
}
