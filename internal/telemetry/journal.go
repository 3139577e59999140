package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pushgateway/internal/metric"
)

// Journal holds the metrics of a persistence file or a stream. Without one their
// names are reserved but not exposed.
type Journal struct {
	commits, failures, bytes prometheus.Counter
	changes, seconds         prometheus.Summary
	last                     prometheus.Gauge
}

const (
	journalCommits  = "pushgateway_journal_commits_total"
	journalFailures = "pushgateway_journal_commit_failures_total"
	journalBytes    = "pushgateway_journal_written_bytes_total"
	journalChanges  = "pushgateway_journal_commit_changes"
	journalSeconds  = "pushgateway_journal_commit_duration_seconds"
	journalLast     = "pushgateway_journal_last_commit_timestamp_seconds"
	journalSize     = "pushgateway_journal_file_size_bytes"
	journalWritable = "pushgateway_journal_writable"
)

// journalFamilies are the types of all of them.
var journalFamilies = map[string]metric.Type{
	journalCommits:  metric.Counter,
	journalFailures: metric.Counter,
	journalBytes:    metric.Counter,
	journalChanges:  metric.Summary,
	journalSeconds:  metric.Summary,
	journalLast:     metric.Gauge,
	journalSize:     metric.Gauge,
	journalWritable: metric.Gauge,
}

// ObserveJournal exposes the metrics of a journal. name says what it is: the
// persistence file or the stream. size returns its size in bytes. err returns
// why it cannot be written, or nil.
func (m *Metrics) ObserveJournal(name string, size func() int64, err func() error) *Journal {
	j := &Journal{
		commits:  prometheus.NewCounter(prometheus.CounterOpts{Name: journalCommits, Help: "Attempts to write changes to the " + name + ". Each writes all waiting changes."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: journalFailures, Help: "Failed attempts to write changes to the " + name + "."}),
		bytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: journalBytes, Help: "Bytes of the groups written to the " + name + ", compressed."}),
		changes:  prometheus.NewSummary(prometheus.SummaryOpts{Name: journalChanges, Help: "Groups written by each commit.", Objectives: quantiles}),
		seconds:  prometheus.NewSummary(prometheus.SummaryOpts{Name: journalSeconds, Help: "Time taken by commits, including the wait for the disk or the servers.", Objectives: quantiles}),
		last:     prometheus.NewGauge(prometheus.GaugeOpts{Name: journalLast, Help: "Unix time of the last successful commit, 0 if there was none."}),
	}
	m.registry.MustRegister(j.commits, j.failures, j.bytes, j.changes, j.seconds, j.last,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: journalSize, Help: "Size of the " + name + "."}, func() float64 { return float64(size()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: journalWritable, Help: "1 if the " + name + " can be written, 0 if not: then pushes are refused, or with --persistence.interval only kept in memory. They are always refused if the " + name + " was replaced or changed."}, func() float64 {
			if err() != nil {
				return 0
			}
			return 1
		}),
	)
	return j
}

// Written records a commit.
func (j *Journal) Written(changes, bytes int, took time.Duration, err error) {
	j.commits.Inc()
	if err != nil {
		j.failures.Inc()
		return
	}
	j.bytes.Add(float64(bytes))
	j.changes.Observe(float64(changes))
	j.seconds.Observe(took.Seconds())
	j.last.SetToCurrentTime()
}
