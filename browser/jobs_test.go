package browser

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"
)

// TestJobs shows which jobs are in trouble, and leads to their groups.
func TestJobs(t *testing.T) {
	s := start(t)
	empty := s.with(t).open(desktop, "")
	empty.reads("main", "No groups yet")
	s.push("job/backup/instance/db1", "job_exit_code 124\njob_duration_seconds 3420\n", http.StatusOK)
	s.push("job/backup/instance/db2", "job_exit_code 0\n", http.StatusOK)
	s.push("job/etl", fmt.Sprintf("etl_last_success_unixtime %d\netl_expected_interval_seconds 3600\n", time.Now().Unix()-7250), http.StatusOK)
	s.push("job/good", "job_exit_code 0\n", http.StatusOK)
	s.push("job/refused", "# TYPE job_exit_code counter\njob_exit_code 0\n", http.StatusBadRequest)
	axe, _ := os.ReadFile(axeFile) // without it, nobody looks
	for _, screen := range []screen{desktop, {375, 812, true}} {
		t.Run(fmt.Sprint(screen.width), func(t *testing.T) {
			tb := s.with(t).open(screen, "")
			tb.until(`[...document.querySelectorAll("table.states tbody tr")].map((r) => r.cells[0].innerText + ": " + r.cells[1].innerText).join(", ") === "backup: failing, etl: late, refused: push refused, good: ok"`)
			tb.reads("tr:nth-child(1) .why", "exit code 124")
			tb.reads("tr:nth-child(2) td:nth-child(3)", "54m ago")
			tb.reads("tr:nth-child(1) .why", "it took longer than its timeout")
			tb.reads("tr:nth-child(1) .which", `1 of 2 groups, {instance="db1"}`)
			tb.reads("tr:nth-child(2) td:nth-child(7)", "due 1h ago")
			tb.until(`document.documentElement.scrollWidth <= innerWidth`)
			if len(axe) > 0 {
				tb.accessible(string(axe), "jobs")
			}
			tb.press("late 1")
			tb.until(`document.querySelectorAll("table.states tbody tr").length === 1 && location.search === "?view=jobs&state=late"`)
			tb.visit("?view=jobs&state=stale")
			tb.reads("main", "No job is stale.")
			tb.press("all 4")
			tb.press("etl")
			tb.reads("h1", "etl")
			tb.press("Jobs")
			tb.press("backup")
			tb.reads(".total", `2 groups matching {job="backup"}.`)
			if screen.width == desktop.width {
				s.push("job/good", "job_exit_code 3\n", http.StatusOK)
				tb.press("Jobs")
				tb.reads("main", "exit code 3")
				s.push("job/good", "job_exit_code 0\n", http.StatusOK)
				tb.refresh()
				tb.until(`!document.body.innerText.includes("exit code 3")`)
			}
		})
	}
}
