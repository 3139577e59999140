package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
	"pushgateway/internal/intake"
	"pushgateway/internal/jobrun"
	"pushgateway/internal/metric"
)

// newRun adds the command that runs a job and pushes its outcome.
func newRun(app *kingpin.Application, stderr io.Writer) command {
	clause := app.Command("run", "Run a command, and push when it started, how it ended and how long it took. The exit code is that of the command, even if a push fails.").HelpLong(`Examples:
  pushgateway run --job=backup --expect=24h -- /usr/local/bin/backup.sh --full
  pushgateway run --job=etl --label=stage=load --timeout=2h --lock=/run/lock/etl -- etl load
  pushgateway run --job=report -- sh -c 'make-report && echo "report_rows 12" > "$PUSHGATEWAY_METRICS"'

Additional exit codes: 75 another run holds the lock, 124 the command took longer than --timeout,
126 the command could not be started, 127 it was not found, 128+n signal n ended it.`)
	group, address := addWhich(clause), addAddress(clause, "10s")
	job := jobrun.Job{Stderr: stderr}
	var quiet bool
	var expect string
	clause.Arg("command", "The command and its arguments, after --.").Required().StringsVar(&job.Args)
	clause.Flag("expect", "How often the job should succeed, like 24h. Pushed as job_expected_interval_seconds, for alerts.").PlaceHolder("DURATION").StringVar(&expect)
	clause.Flag("timeout", "Maximum duration of the command. It and all its child processes then get SIGTERM, and SIGKILL later. 0 means no limit.").Default("0s").DurationVar(&job.Timeout)
	clause.Flag("kill-after", "How long to wait between SIGTERM and SIGKILL.").Default("10s").DurationVar(&job.Grace)
	clause.Flag("lock", "Do not run while another run holds the lock of this file. The file is created if necessary.").PlaceHolder("FILE").StringVar(&job.Lock)
	clause.Flag("metrics-file", "File for further metrics that the command writes in the text format; they are pushed as well. The command finds its path in $PUSHGATEWAY_METRICS. By default, a temporary file.").PlaceHolder("FILE").StringVar(&job.MetricsFile)
	clause.Flag("prefix", "Prefix of the metric names.").Default("job_").StringVar(&job.Prefix)
	clause.Flag("push-timeout", "Maximum delay of the exit by pushes, including retries.").Default("10s").DurationVar(&job.PushTimeout)
	clause.Flag("ttl", "Time to live of the group without further runs, like 7d. By default, the gateway decides.").PlaceHolder("DURATION").StringVar(&job.TTL)
	clause.Flag("quiet", "Do not report failed pushes.").Short('q').BoolVar(&quiet)
	check := func() (err error) {
		switch {
		case job.Timeout < 0 || job.Grace < 0:
			return errors.New("--timeout and --kill-after must not be negative")
		case job.PushTimeout <= 0:
			return errors.New("--push-timeout must be more than 0")
		case !metric.IsLegacyName(job.Prefix + "x"):
			return fmt.Errorf("--prefix=%q: a metric name cannot start with it; it must match [a-zA-Z_:][a-zA-Z0-9_:]*", job.Prefix)
		}
		if expect != "" {
			if job.Expect, err = intake.ParseTTL(expect); err != nil {
				return fmt.Errorf("--expect=%q: it must be a duration like 90m, 24h or 7d", expect)
			}
		}
		if job.Key, err = group.key(); err != nil {
			return err
		}
		return checkAll(address.checkTimes, func() error { return checkTTL("--ttl", job.TTL) })
	}
	return command{clause, check, func(context.Context) (err error) {
		if quiet {
			job.Stderr = io.Discard
		}
		messages := &visibleWriter{to: job.Stderr, write: written}
		defer messages.Close()
		job.Stderr = messages
		if job.Client, err = client.New(address.Config); err != nil { // the command matters more than its pushes
			fmt.Fprintf(job.Stderr, "pushgateway run: pushing nothing: %v\n", err)
		}
		return exit(job.Run())
	}}
}
