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
		groups = append(groups, oldGroup{job, labels, age, batchJob(random, job), 0})
	}
	day := 24 * time.Hour
	return append(groups,
		oldGroup{"database_backup", "env/production/instance/db-1", 5 * time.Hour, batchJob(random, "database_backup"), 0},
		oldGroup{"database_backup", "env/production/instance/db-2", 5*time.Hour + 4*time.Minute, batchJob(random, "database_backup"), 0},
		oldGroup{"canary_deploy", "env/production/version/v2.31.0", 7 * time.Hour, training, 8 * time.Hour},
		oldGroup{"geoip_update", "env/production", 41 * day, batchJob(random, "geoip_update"), 0},
		oldGroup{"tls_expiry_check", "env/production/region/us-east-2", 9 * day, batchJob(random, "tls_expiry_check"), 0},
		oldGroup{"warehouse_vacuum", "env/production/team/data", 19 * time.Hour, batchJob(random, "warehouse_vacuum"), 0},
	)
}

// demoNow is what comes in today: good, short-lived, and refused. The gateway
// is looked at after warm.
func (s *server) demoNow(random *rand.Rand, warm time.Duration) {
	s.t.Helper()
	s.push("job/nightly_etl/team/data/env/production", etl(random), http.StatusOK)
	s.pushNative("job/checkout_smoke_test/env/production/region/eu-west-1")
	s.push("job/ml_training/model/churn/env/production", training, http.StatusOK, "X-Pushgateway-TTL", "72h")
	s.push("job/payments_reconcile/env/production/region/eu-west-1", reconcile, http.StatusOK)
	for deadline := time.Now().Add(warm); time.Now().Before(deadline); time.Sleep(time.Second) {
		for range random.IntN(8) + int(12+10*math.Sin(float64(time.Now().Unix())/50)) {
			s.push(fmt.Sprintf("job/build_agent/instance/build-%03d.example.org", random.IntN(120)), batchJob(random, "build"), http.StatusOK)
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

const reconcile = "# HELP reconcile_rows_total Rows compared with the bank's file.\n# TYPE reconcile_rows_total counter\nreconcile_rows_total 184223\n"

func batchJob(random *rand.Rand, job string) string {
	now := float64(time.Now().Unix())
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
`, job, now-float64(random.IntN(4000)), random.Float64()*4, random.Float64()*400, random.IntN(9_000_000_000))
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
