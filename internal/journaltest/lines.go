package journaltest

import (
	"fmt"
	"strings"
)

// Lines returns the text of the nth push of a benchmark: 100 lines in nine
// families, as a job pushes them that counts what it did.
func Lines(n int) string {
	var s strings.Builder
	for f := range 8 {
		fmt.Fprintf(&s, "# HELP etl_records_%d_total Records.\n# TYPE etl_records_%d_total counter\n", f, f)
		for j := range 11 {
			fmt.Fprintf(&s, "etl_records_%d_total{stage=\"load\",shard=\"%02d\"} %d\n", f, j, (n*7919+f*31+j)%100_000)
		}
	}
	s.WriteString("# TYPE etl_seconds histogram\n")
	for j := range 10 {
		fmt.Fprintf(&s, "etl_seconds_bucket{stage=\"load\",le=\"%d\"} %d\n", j, n%100+j)
	}
	fmt.Fprintf(&s, "etl_seconds_bucket{stage=\"load\",le=\"+Inf\"} %d\netl_seconds_sum{stage=\"load\"} 1.5\netl_seconds_count{stage=\"load\"} %d\n", n%100+10, n%100+10)
	return s.String()
}
