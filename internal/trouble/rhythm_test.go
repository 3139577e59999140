package trouble_test

import (
	"strings"
	"testing"
	"time"

	"pushgateway/internal/trouble"
)

var start = time.Unix(1_795_600_000, 0)

// scraped is a scrape of a client, so many seconds after the start.
type scraped struct {
	client  string
	seconds int
}

// every are scrapes of a client at an interval.
func every(client string, interval, times int) (all []scraped) {
	for i := range times {
		all = append(all, scraped{client, i * interval})
	}
	return all
}

// TestMissingScrapes tells a Prometheus that has stopped from one that has another
// address by now, and from somebody who looked once.
func TestMissingScrapes(t *testing.T) {
	for _, c := range []struct {
		name    string
		scrapes []scraped
		stored  bool
		at      int    // seconds after the start
		want    string // in the summary; "" if all is well
	}{
		{"none yet", nil, true, 299, ""},
		{"none at all", nil, true, 300, "Nobody has scraped"},
		{"none, and nothing is stored", nil, false, 3000, ""},
		{"once", []scraped{{"curl", 0}}, true, 3000, ""},
		{"twice", every("curl", 10, 2), true, 3000, ""},
		{"goes on", every("p", 15, 10), true, 9*15 + 75, ""},
		{"has stopped", every("p", 15, 10), true, 9*15 + 76, "p did every 15s"},
		{"is slow", every("p", 120, 4), true, 3*120 + 599, ""},
		{"is quick, and paused for a moment", every("p", 1, 5), true, 4 + 5, ""},
		{"has another address", append(every("p", 15, 10), scraped{"q", 140}, scraped{"q", 155}, scraped{"q", 170}), true, 240, ""},
		{"has another address, and stopped too", append(every("p", 15, 10), scraped{"q", 140}, scraped{"q", 155}, scraped{"q", 170}), true, 246, "q did every 15s"},
		{"scrapes again after a pause", append(every("p", 15, 3), scraped{"p", 5000}), true, 5075, ""},
		{"scrapes again, and stops", append(every("p", 15, 3), scraped{"p", 5000}), true, 5076, "p did every 15s"},
		{"once a day", every("p", 86400, 4), true, 3*86400 + 3600, ""},
	} {
		var r trouble.Rhythm
		for _, s := range c.scrapes {
			r.Note(s.client, start.Add(time.Duration(s.seconds)*time.Second))
		}
		got := ""
		if f := r.Check(start, func() bool { return c.stored })(start.Add(time.Duration(c.at) * time.Second)); f != nil {
			got = f.Summary
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, got, c.want)
		}
	}
}

// TestRhythmIsBounded has one Prometheus among very many clients, which lose
// their places, but not to the one that comes again and again.
func TestRhythmIsBounded(t *testing.T) {
	var r trouble.Rhythm
	for i := range 10_000 {
		r.Note("p", start.Add(time.Duration(i)*15*time.Second))
		r.Note(strings.Repeat("x", i%100), start.Add(time.Duration(i)*15*time.Second))
	}
	if f := r.Check(start, nil)(start.Add(10_000*15*time.Second + time.Minute)); f != nil {
		t.Errorf("got %+v", f)
	}
}

// TestStreak is over when nothing fails any more and something has worked.
func TestStreak(t *testing.T) {
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	var s trouble.Streak
	on := func(seconds, refused int) bool {
		t.Helper()
		var f trouble.Finding
		err := s.Add(&f, at(seconds))
		if f.Refused != refused || err != nil && !f.Since.Equal(at(10)) {
			t.Errorf("after %d s: %d refused since %s", seconds, f.Refused, f.Since)
		}
		return err != nil
	}
	if on(0, 0) {
		t.Error("a streak of nothing")
	}
	s.Failed(errFull, at(10))
	s.Worked(at(11))
	s.Failed(errFull, at(12))
	if !on(3600, 2) {
		t.Error("the streak is over, though nothing has worked")
	}
	s.Worked(at(3600))
	if on(3600, 2) {
		t.Error("the streak goes on, though something has worked")
	}
}
