package browser

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// demo fills a gateway with what a company might push.
func (s *server) demo(hosts int) {
	s.t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	jobs := []string{"database_backup", "certbot_renew", "apt_upgrade", "log_rotation", "invoice_export"}
	for i := range hosts {
		job := jobs[i%len(jobs)]
		path := fmt.Sprintf("job/%s/instance/%s-%02d.example.org", job, []string{"db", "web", "mail", "build"}[i%4], i/len(jobs)+1)
		s.push(path, batchJob(random, job), http.StatusOK)
	}
	s.push("job/nightly_etl/team/data/env/production", etl(random), http.StatusOK)
	s.push("job/ml_training/model/churn/env/production", training(), http.StatusOK)
	s.push("job/payments_reconcile/env/production/region/eu-west-1", "# HELP reconcile_rows_total Rows compared with the bank's file.\n# TYPE reconcile_rows_total counter\nreconcile_rows_total 184223\n", http.StatusOK)
	s.push("job/payments_reconcile/env/production/region/eu-west-1", "# TYPE reconcile_rows_total gauge\nreconcile_rows_total 5\nreconcile_rows_total 6\n", http.StatusBadRequest)
	s.push("job/disk_check/instance/nas-1", "smart_ok 1 1500000000000\n", http.StatusBadRequest)
}

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

func training() string {
	return `# HELP training_loss Loss after the last epoch.
# TYPE training_loss gauge
training_loss{set="train"} 0.0821
training_loss{set="validation"} 0.1134
# HELP training_epochs_total Epochs done.
# TYPE training_epochs_total counter
training_epochs_total 40
`
}
