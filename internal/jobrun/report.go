package jobrun

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// report is the outcome of a run.
type report struct {
	begin, end time.Time
	code       int
	state      *os.ProcessState // nil if the command was not started
}

// text builds gauges in the text format.
type text struct {
	strings.Builder
	prefix string
}

// gauge adds a family with one value.
func (t *text) gauge(name, help string, value float64) { t.gauges(name, help, sample{"", value}) }

// sample is a series: its labels in braces, and its value.
type sample struct {
	labels string
	value  float64
}

func (t *text) gauges(name, help string, samples ...sample) {
	name = t.prefix + name
	fmt.Fprintf(t, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
	for _, s := range samples {
		fmt.Fprintf(t, "%s%s %s\n", name, s.labels, strconv.FormatFloat(s.value, 'g', -1, 64))
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

// beginning returns what to push when the command starts.
func (r *report) beginning(prefix string, expect time.Duration) []byte {
	t := text{prefix: prefix}
	r.common(&t, expect)
	t.gauge("running", "Whether the job is running.", 1)
	return []byte(t.String())
}

func (r *report) common(t *text, expect time.Duration) {
	t.gauge("last_start_timestamp_seconds", "Unix time when the job was last started.", seconds(r.begin))
	if expect > 0 {
		t.gauge("expected_interval_seconds", "How often the job should succeed.", expect.Seconds())
	}
}

// ending returns what to push when the command has ended. The last success is
// kept if this run failed.
func (r *report) ending(prefix string, expect time.Duration) []byte {
	t := text{prefix: prefix}
	r.common(&t, expect)
	t.gauge("running", "Whether the job is running.", 0)
	t.gauge("last_completion_timestamp_seconds", "Unix time when the job last ended, successfully or not.", seconds(r.end))
	if r.code == 0 {
		t.gauge("last_success_timestamp_seconds", "Unix time when the job last ended with exit code 0.", seconds(r.end))
	}
	t.gauge("exit_code", "Exit code of the last run; 128+n if signal n ended it.", float64(r.code))
	t.gauge("duration_seconds", "Duration of the last run.", r.end.Sub(r.begin).Seconds())
	if r.state != nil {
		t.gauges("cpu_seconds", "CPU time of the last run, including all its processes.",
			sample{`{mode="user"}`, r.state.UserTime().Seconds()}, sample{`{mode="system"}`, r.state.SystemTime().Seconds()})
		if rss, ok := maxResident(r.state); ok {
			t.gauge("max_resident_memory_bytes", "Maximum memory of a process of the last run.", float64(rss))
		}
	}
	return []byte(t.String())
}
