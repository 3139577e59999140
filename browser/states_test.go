package browser

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// inAllStates stores groups of jobs in all states, as many as there are, and
// scrapes.
func (s *server) inAllStates(groups int) {
	s.t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	names := []string{"database_backup", "certbot_renew", "apt_upgrade", "log_rotation", "invoice_export", "mail_digest", "geoip_update", "search_reindex"}
	name := func(i int) string { return fmt.Sprintf("%s_%02d", names[i%len(names)], i/len(names)) }
	for day := 12; day > 0; day-- { // runs of the past
		s.pushMany(pastRuns(groups, day, name, random))
	}
	for i := range groups {
		name := name(i)
		s.push(fmt.Sprintf("job/%s/instance/host-%03d.example.org", name, i), stateBody(i, random), http.StatusOK)
	}
	s.push("job/payments_reconcile/env/production", "# TYPE job_exit_code counter\njob_exit_code 0\n", http.StatusBadRequest)
	s.push("job/legacy_importer/env/staging", "imported 1", http.StatusBadRequest, "User-Agent", "curl/8.5.0")
	s.push("job/database_backup_00/instance/host-000.example.org", "rows{a=1} 3\n", http.StatusBadRequest, "User-Agent", "curl/8.5.0")
	s.scrape()
}

// pastRuns are runs of all jobs some days ago. Those of some take longer lately.
func pastRuns(groups, day int, name func(int) string, random *rand.Rand) string {
	var b strings.Builder
	ended := time.Now().Add(-time.Duration(day) * 24 * time.Hour).Unix()
	for i := range groups {
		if i%20 == 7 || i == 33 {
			continue
		}
		took, code := 60+i+random.IntN(60), 0
		if i%5 == 3 && day < 4 {
			took *= 6
		}
		if random.IntN(9) == 0 {
			code = 1
		}
		labels := fmt.Sprintf("{job=%q,instance=\"host-%03d.example.org\"}", name(i), i)
		fmt.Fprintf(&b, "job_exit_code%[1]s %[2]d\njob_last_completion_timestamp_seconds%[1]s %[3]d\njob_duration_seconds%[1]s %[4]d\n", labels, code, ended, took)
	}
	return b.String()
}

// stateBody is what a job in the i-th state has pushed. Few are in trouble.
func stateBody(i int, random *rand.Rand) string {
	now := float64(time.Now().Unix())
	run := func(code int, ended, took, expected float64) string {
		success := ended
		if code != 0 {
			success = ended - 86400
		}
		return fmt.Sprintf("job_exit_code %d\njob_last_start_timestamp_seconds %f\njob_last_completion_timestamp_seconds %f\njob_last_success_timestamp_seconds %f\njob_duration_seconds %g\njob_expected_interval_seconds %g\njob_running 0\njob_cpu_seconds{mode=\"user\"} %g\njob_cpu_seconds{mode=\"system\"} 3.25\njob_max_resident_memory_bytes 1.234e+09\n",
			code, ended-took, ended, success, took, expected, took/2)
	}
	switch {
	case i == 3:
		return run(124, now-7000, 3420, 86400) + "rows_total{table=\"orders\"} 1.7e9\ndump_size_bytes 5.1234e9\n"
	case i == 11 || i == 40:
		return run(1, now-90000-float64(i), 12, 86400)
	case i == 17 || i == 90:
		return run(0, now-3*86400, 300, 86400)
	case i == 25:
		return strings.Replace(strings.Replace(run(0, now-80000, 600, 86400), "job_running 0", "job_running 1", 1), "job_last_start_timestamp_seconds ", fmt.Sprintf("job_last_start_timestamp_seconds %f\njob_x ", now-8*3600), 1)
	case i == 33:
		return fmt.Sprintf("dump_last_success_unixtime %f\n", now-40*86400)
	case i%20 == 7:
		return "temperature_celsius 21\n"
	}
	return run(0, now-float64(random.IntN(80000)), 20+float64(random.IntN(3000)), 86400)
}
