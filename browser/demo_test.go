package browser

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// demoPast is what a company has pushed before today: many hosts, some of
// which have long been forgotten.
func demoPast(random *rand.Rand) (groups []oldGroup) {
	jobs := []string{"database_backup", "certbot_renew", "apt_upgrade", "log_rotation", "invoice_export", "mail_digest"}
	for i := range 2400 {
		job := jobs[random.IntN(len(jobs))%(1+i%len(jobs))]
		labels := fmt.Sprintf("instance/%s-%03d.example.org", []string{"db", "web", "mail", "build"}[i%4], i/4+1)
		age := time.Duration(math.Exp(random.NormFloat64()*2.4+9.2)) * time.Second
		if job == "apt_upgrade" { // nobody tidies up after its hosts
			age *= 6
		} else {
			age = min(age, time.Duration(100+random.IntN(60))*time.Hour)
		}
		groups = append(groups, oldGroup{job, labels, age, batchJob(random, job, age), 0})
	}
	return append(groups,
		oldGroup{"database_backup", "env/production/instance/db-1", 5 * time.Hour, batchJob(random, "database_backup", 5*time.Hour), 0},
		oldGroup{"database_backup", "env/production/instance/db-2", 5*time.Hour + 4*time.Minute, batchJob(random, "database_backup", 5*time.Hour), 0},
		oldGroup{"canary_deploy", "env/production/version/v2.31.0", 7 * time.Hour, training, 8 * time.Hour},
		oldGroup{"geoip_update", "env/production", 41 * day, batchJob(random, "geoip_update", 41*day), 0},
		oldGroup{"tls_expiry_check", "env/production/region/us-east-2", 9 * day, batchJob(random, "tls_expiry_check", 9*day), 0},
		oldGroup{"warehouse_vacuum", "env/production/team/data", 19 * time.Hour, batchJob(random, "warehouse_vacuum", 19*time.Hour), 0},
	)
}

// demoNow is what comes in today: good, short-lived, and refused. The gateway
// is looked at after warm.
func (s *server) demoNow(random *rand.Rand, warm time.Duration) {
	s.t.Helper()
	for _, j := range demoJobs {
		s.runs(random, j)
	}
	s.push("job/nightly_etl/team/data/env/production", etl(random), http.StatusOK)
	s.pushNative("job/checkout_smoke_test/env/production/region/eu-west-1")
	s.push("job/ml_training/model/churn/env/production", training, http.StatusOK, "X-Pushgateway-TTL", "72h")
	s.push("job/payments_reconcile/env/production/region/eu-west-1", reconcile, http.StatusOK)
	for deadline := time.Now().Add(warm); time.Now().Before(deadline); time.Sleep(time.Second) {
		s.scrape()
		for range random.IntN(8) + int(12+10*math.Sin(float64(time.Now().Unix())/50)) {
			s.push(fmt.Sprintf("job/build_agent/instance/build-%03d.example.org", random.IntN(120)), batchJob(random, "build", 0), http.StatusOK)
		}
		if random.IntN(3) == 0 {
			s.push("job/legacy_importer/env/staging", "imported_total 1 1500000000000\n", http.StatusBadRequest)
		}
	}
	s.push("job/nightly_etl/team/data/env/production", etl(random), http.StatusOK)
	s.push("job/payments_reconcile/env/production/region/eu-west-1", reconcile+"reconcile_rows_total 184224\n", http.StatusBadRequest)
	s.push("job/disk_check/env/production/instance/nas-1", "smart_ok 1 1500000000000\n", http.StatusBadRequest)
	s.scrape()
}

// demoJob is a job that uses run, with its last run.
type demoJob struct {
	path     string
	every    time.Duration
	age      time.Duration // since the last run ended
	took     int           // seconds, as usual
	slower   int           // times as long were the latest runs
	slowRuns int
	code     int
	running  time.Duration // since the run in progress began
}

const day = 24 * time.Hour

var demoJobs = []demoJob{
	{"job/invoice_mailer/env/production/instance/mail-1", day, 97 * time.Minute, 420, 8, 3, 124, 0},
	{"job/volume_snapshot/env/production/instance/db-1", 6 * time.Hour, 71 * time.Minute, 95, 1, 0, 0, 0},
	{"job/volume_snapshot/env/production/instance/db-2", 6 * time.Hour, 72 * time.Minute, 98, 1, 0, 28, 0},
	{"job/volume_snapshot/env/production/instance/db-3", 6 * time.Hour, 74 * time.Minute, 101, 1, 0, 0, 0},
	{"job/rotate_keys/env/production", day, 43 * time.Hour, 12, 1, 0, 0, 0},
	{"job/search_reindex/env/production", day, 19 * time.Hour, 1500, 2, 6, 0, 9 * time.Hour},
	{"job/currency_rates/env/production", time.Hour, 21 * time.Minute, 4, 1, 0, 0, 0},
	{"job/stock_levels/env/production", time.Hour, 48 * time.Minute, 50, 3, 9, 0, 0},
	{"job/user_export/env/production", day, 7 * time.Hour, 800, 1, 0, 0, 0},
}

// runs pushes the last runs of a job, one after the other.
func (s *server) runs(random *rand.Rand, j demoJob) {
	s.t.Helper()
	last := time.Now().Add(-j.age)
	success := last
	for i := 23; i >= 0; i-- {
		ended, code, took := last.Add(-time.Duration(i)*j.every), 0, j.took+random.IntN(j.took/3+1)
		if i < j.slowRuns {
			took *= j.slower
		}
		if i == 0 || random.IntN(23) == 0 {
			code = j.code
		}
		if code == 0 {
			success = ended
		}
		started, running := ended.Add(-time.Duration(took)*time.Second), 0
		if i == 0 && j.running > 0 {
			started, running = time.Now().Add(-j.running), 1
		}
		s.push(j.path, gauges("last_start_timestamp_seconds", started.Unix(), "last_completion_timestamp_seconds", ended.Unix(),
			"last_success_timestamp_seconds", success.Unix(), "duration_seconds", took, "exit_code", code, "running", running,
			"expected_interval_seconds", j.every.Seconds(), `cpu_seconds{mode="user"}`, took/2, "max_resident_memory_bytes", 1234e6), http.StatusOK)
	}
}

// gauges writes metrics as run pushes them: names, each with a value.
func gauges(metrics ...any) string {
	var b strings.Builder
	for i := 0; i < len(metrics); i += 2 {
		name, _, _ := strings.Cut(metrics[i].(string), "{")
		fmt.Fprintf(&b, "# TYPE job_%s gauge\njob_%s %v\n", name, metrics[i], metrics[i+1])
	}
	return b.String()
}

const reconcile = "# HELP reconcile_rows_total Rows compared with the bank's file.\n# TYPE reconcile_rows_total counter\nreconcile_rows_total 184223\n"

// batchJob is what a job has pushed some time ago that does not use run.
func batchJob(random *rand.Rand, job string, age time.Duration) string {
	ended := float64(time.Now().Add(-age).Unix())
	return fmt.Sprintf(`# HELP %[1]s_last_success_timestamp_seconds When the job last ended well.
# TYPE %[1]s_last_success_timestamp_seconds gauge
%[1]s_last_success_timestamp_seconds %[2]g
# HELP %[1]s_duration_seconds How long the last run took.
# TYPE %[1]s_duration_seconds gauge
%[1]s_duration_seconds{phase="prepare"} %.3[3]f
%[1]s_duration_seconds{phase="run"} %.3[4]f
# HELP %[1]s_processed_bytes_total Bytes processed by the last run.
# TYPE %[1]s_processed_bytes_total counter
%[1]s_processed_bytes_total %[5]d
`, job, ended, random.Float64()*4, random.Float64()*400, random.Int64N(9_000_000_000))
}

// etl is a job with all there is to draw.
func etl(random *rand.Rand) string {
	var b strings.Builder
	b.WriteString("# HELP etl_query_duration_seconds Time taken by queries to the warehouse.\n# TYPE etl_query_duration_seconds histogram\n")
	sum := 0
	for _, bound := range []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10} {
		sum += int(900*math.Exp(-math.Pow(math.Log(bound/0.12), 2)/2)) + random.IntN(20)
		fmt.Fprintf(&b, "etl_query_duration_seconds_bucket{le=\"%g\"} %d\n", bound, sum)
	}
	fmt.Fprintf(&b, "etl_query_duration_seconds_bucket{le=\"+Inf\"} %d\netl_query_duration_seconds_sum 1203.4\netl_query_duration_seconds_count %[1]d\n", sum+4)
	b.WriteString(`# HELP etl_batch_seconds Time taken by batches.
# TYPE etl_batch_seconds summary
etl_batch_seconds{quantile="0.5"} 1.92
etl_batch_seconds{quantile="0.9"} 4.41
etl_batch_seconds{quantile="0.99"} 9.73
etl_batch_seconds_sum 4123.5
etl_batch_seconds_count 1840
# HELP etl_rows_total Rows written, by table.
# TYPE etl_rows_total counter
`)
	for _, table := range []string{"customers", "orders", "order_lines", "payments", "refunds", "shipments"} {
		fmt.Fprintf(&b, "etl_rows_total{table=%q} %d\n", table, random.IntN(3_000_000))
	}
	return b.String()
}

const training = `# HELP training_loss Loss after the last epoch.
# TYPE training_loss gauge
training_loss{set="train"} 0.0821
training_loss{set="validation"} 0.1134
# HELP training_epochs_total Epochs done.
# TYPE training_epochs_total counter
training_epochs_total 40
`
