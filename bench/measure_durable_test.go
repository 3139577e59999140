package main

import "testing"

// TestDurableSyncRows takes rates from a table, and looks which goals are reached.
func TestDurableSyncRows(t *testing.T) {
	for _, c := range []struct {
		clients                  int
		durable, memory, appends float64
		want                     []string
	}{
		{1, 240, 5000, 480, []string{"", "", "yes"}},
		{1, 239, 5000, 480, []string{"", "", "no"}},
		{16, 3000, 9000, 0, []string{"", ""}},
		{64, 8000, 10000, 0, []string{"yes", ""}},
		{64, 7999, 10000, 0, []string{"no", ""}},
	} {
		rows := durableSyncRows(c.clients, []float64{c.durable, c.memory, c.appends})
		if len(rows) != len(c.want) {
			t.Fatalf("%v: %d rows", c, len(rows))
		}
		for i, r := range rows {
			if got := r.verdict(); got != c.want[i] {
				t.Errorf("%v: row %d says %q, want %q", c, i, got, c.want[i])
			}
		}
	}
}
