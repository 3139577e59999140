package jobs_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"pushgateway/internal/config"
	"pushgateway/internal/intake"
	"pushgateway/internal/jobs"
)

// judged shows everything that a survey knows of its groups.
func judged(s *jobs.Survey, now float64) string {
	var b strings.Builder
	for i := range s.Len() {
		fmt.Fprintf(&b, "%+v %s\n", *s.Group(i), s.Group(i).Reason(now))
	}
	return b.String()
}

// randomJob returns what a job may push, with times around now.
func randomJob(rnd *rand.Rand, now int64) string {
	var b strings.Builder
	say := func(name string, value any) {
		if rnd.IntN(3) == 0 {
			fmt.Fprintf(&b, "%s{part=\"%d\"} %v\n", name, rnd.IntN(2), value)
		}
	}
	about := func() any {
		if rnd.IntN(20) == 0 {
			return []any{"NaN", "+Inf", 0, -1, now * 1000}[rnd.IntN(5)]
		}
		return float64(now) + rnd.Float64()*9000 - 2000
	}
	say("job_exit_code", rnd.IntN(4)/3)
	say("job_last_success_timestamp_seconds", about())
	say("job_last_completion_timestamp_seconds", about())
	say("job_last_start_timestamp_seconds", about())
	say("job_expected_interval_seconds", rnd.IntN(600))
	say("job_duration_seconds", rnd.IntN(600)-10)
	say("job_running", rnd.IntN(2))
	say("job_success", rnd.IntN(2))
	if b.Len() == 0 {
		return "m 1\n"
	}
	return b.String()
}

// change changes some groups in a random way.
func (s *store) change(rnd *rand.Rand) {
	key := fmt.Sprintf("job/%d/instance/%d", rnd.IntN(5), rnd.IntN(8))
	switch rnd.IntN(10) {
	case 0:
		g := s.gateway.View()
		for group := range g.EachGroup("") {
			if rnd.IntN(10) == 0 {
				if err := s.gateway.Delete(s.Context(), group.Key); err != nil {
					s.Fatal(err)
				}
			}
		}
	case 1: // it is refused
		body := "m{ 1\n"
		if _, err := s.intake.Push(s.Context(), intake.Request{Key: key, Body: strings.NewReader(body), Length: int64(len(body))}); err == nil {
			s.Fatal("it was not refused")
		}
	case 2: // its series and then the group end by themselves
		series := http.Header{intake.SeriesTTLHeader: {fmt.Sprint(1+rnd.IntN(600), "s")}}
		s.send(intake.Request{Key: "job/sum/instance/" + fmt.Sprint(rnd.IntN(3)), Query: "merge=sum", Header: series},
			fmt.Sprintf("# TYPE sum_exit_code gauge\nsum_exit_code{part=\"%d\"} %d\n", rnd.IntN(9), rnd.IntN(2)))
	case 3:
		s.send(intake.Request{Key: key, Query: "ttl=5m"}, randomJob(rnd, s.now.Load()))
	default:
		s.send(intake.Request{Key: key, Replace: rnd.IntN(2) == 0}, randomJob(rnd, s.now.Load()))
	}
}

// TestLookAgain compares surveys that each take over what they can from the one
// before with surveys that judge everything.
func TestLookAgain(t *testing.T) {
	ruled, err := config.Parse("config.yml", []byte("jobs:\n- match: '{job=\"1\"}'\n  expect: 5m\n- match: '{job=\"2\"}'\n  push_is_success: true\n- match: '{job=\"3\"}'\n  ignore: true\n"))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(1, seed))
		s := open(t)
		var last *jobs.Survey
		for step := range 150 {
			for range rnd.IntN(4) {
				s.change(rnd)
			}
			s.now.Add(int64([]int{0, 0, 1, 30, 700, 4000}[rnd.IntN(6)]))
			if rnd.IntN(30) == 0 {
				s.now.Add(-100)
			}
			if rnd.IntN(20) == 0 {
				s.rules = []config.JobRules{nil, ruled.Jobs}[rnd.IntN(2)]
			}
			now, v := float64(s.now.Load())+rnd.Float64(), s.gateway.View()
			last = jobs.Look(v, s.rules, now, last)
			if got, want := judged(last, now), judged(jobs.Look(v, s.rules, now, nil), now); got != want {
				t.Fatalf("seed %d, step %d: got\n%swant\n%s", seed, step, got, want)
			}
		}
	}
}

// TestLookTakesOver counts which groups are judged again.
func TestLookTakesOver(t *testing.T) {
	s := open(t)
	for i := range 10 {
		s.push(fmt.Sprintf("job/%d", i), at("job_last_success_timestamp_seconds", float64(-i))+"job_expected_interval_seconds 100\n")
	}
	before := s.survey()
	kept := func(now float64) string {
		var kept []string
		after := jobs.Look(s.gateway.View(), s.rules, now, before)
		for i := range after.Len() {
			for k := range before.Len() {
				if after.Group(i) == before.Group(k) {
					job, _ := after.Group(i).Key.Value("job")
					kept = append(kept, job)
				}
			}
		}
		return strings.Join(kept, " ")
	}
	want := func(when, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, it took over %s, want %s", when, got, want)
		}
	}
	want("a minute later", kept(now+minute), "0 1 2 3 4 5 6 7 8 9")
	want("when some are late", kept(now+105), "0 1 2 3")
	want("a minute earlier", kept(now-minute), "")
	s.push("job/5", "job_exit_code 0\n")
	want("after a push", kept(now), "0 1 2 3 4 6 7 8 9")
	key := before.Group(2).Key
	if err := s.gateway.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	want("after a delete", kept(now), "0 1 3 4 6 7 8 9")
	s.gateway.Refuse(before.Group(9).Key, "", fmt.Errorf("refused"))
	want("after a refused push", kept(now), "0 1 3 4 6 7 8")
}
