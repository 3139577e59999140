package exposition

import (
	"reflect"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// TestSharing wants all fields in the copy, also those that Block gets later.
func TestSharing(t *testing.T) {
	b := &Block{
		Name: "m", Help: "h", Unit: "u", text: []byte("m 1\n"), more: new(more), proto: 1, series: 2, tooLong: 3, era: 4,
		pattern: new(pattern), part: 4, order: 5, Type: metric.Gauge, EmptyHelp: true, Legacy: true, open: true,
	}
	b.made.Store(&madeProto{proto: []byte{1}})
	b.hashes.Store(&[]uint64{1})
	identity := b.identity()
	b.mates, b.first = 2, b
	v := reflect.ValueOf(b).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the test sets no %s", v.Type().Field(i).Name)
		}
	}
	c := b.Sharing(strings.Clone("m"), "h")
	if c == b || c.identity() == identity {
		t.Error("the copy is the same block")
	}
	if c.mates != 0 || c.first != nil || &c.text[0] == &b.text[0] {
		t.Error("the copy shares memory with others")
	}
	c.mates, c.first = b.mates, b.first
	if c.id.Store(identity); !reflect.DeepEqual(c, b) {
		t.Errorf("got %+v, want a copy of %+v", c, b)
	}
	if c := b.Sharing(b.Name, b.Help); c != b {
		t.Error("a block that has these copies is copied")
	}
	c = b.Sharing("n", "i")
	if c.Name != "n" || c.Help != "i" || b.Name != "m" || b.Help != "h" {
		t.Errorf("the copy has %q and %q, the block %q and %q", c.Name, c.Help, b.Name, b.Help)
	}
}
