package main

import "testing"

// TestRateRows takes the rate of the ceiling behind a bare server from a table, and
// looks which goal holds, and whether it is reached.
func TestRateRows(t *testing.T) {
	for _, c := range []struct {
		name               string
		rate, relay        float64 // the ceiling has 1000
		used               float64 // with a file 100
		goalOfRate         string
		rateDone, usedDone string
	}{
		{"sync binds", 800, 800, 200, "0.8 of the ceiling", "yes", ""},
		{"sync binds, too slow", 799, 900, 100, "0.8 of the ceiling", "no", ""},
		{"cores bind", 500, 799, 130, "", "", "yes"},
		{"cores bind, too dear", 500, 700, 131, "", "", "no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := rateRows(16, []float64{c.rate, 1000, c.relay}, [3]float64{1, 1, 1}, c.used, 100)
			first, own := rows[0], rows[len(rows)-1]
			if first.target() != c.goalOfRate || first.verdict() != c.rateDone || own.verdict() != c.usedDone {
				t.Errorf("got %q, %q and %q", first.target(), first.verdict(), own.verdict())
			}
		})
	}
}
