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

// newRun adds the command that runs a job and pushes how it went.
func newRun(app *kingpin.Application, stderr io.Writer) command {
	clause := app.Command("run", "Run a command, and push when it began, how it ended and what it took. Exits as the command does, whatever becomes of the pushes.").HelpLong(`Examples:
  pushgateway run --job=backup --expect=24h -- /usr/local/bin/backup.sh --full
  pushgateway run --job=etl --label=stage=load --timeout=2h --lock=/run/lock/etl -- etl load
  pushgateway run --job=report -- sh -c 'make-report && echo "report_rows 12" > "$PUSHGATEWAY_METRICS"'

Exit codes of its own: 124 the command took longer than --timeout, 75 another one has the lock,
126 it could not be started, 127 it was not found, 128+n it was ended by signal n.`)
	group, address := addWhich(clause), addAddress(clause, "10s")
	job := jobrun.Job{Stderr: stderr}
	var quiet bool
	var expect string
	clause.Arg("command", "The command and its arguments, behind --.").Required().StringsVar(&job.Args)
	clause.Flag("expect", "How often the job is expected to succeed, like 24h; pushed as job_expected_interval_seconds for alerts.").PlaceHolder("DURATION").StringVar(&expect)
	clause.Flag("timeout", "End the command if it takes longer: SIGTERM to it and all that it started, SIGKILL later. 0 means no limit.").Default("0s").DurationVar(&job.Timeout)
	clause.Flag("kill-after", "How long after SIGTERM SIGKILL comes.").Default("10s").DurationVar(&job.Grace)
	clause.Flag("lock", "Do not run while another run holds the lock of this file, which is made if need be.").PlaceHolder("FILE").StringVar(&job.Lock)
	clause.Flag("metrics-file", "File to which the command writes metrics of its own in the text format, to be pushed along. $PUSHGATEWAY_METRICS tells it to the command; without this flag, a temporary one.").PlaceHolder("FILE").StringVar(&job.MetricsFile)
	clause.Flag("prefix", "What the names of the metrics begin with.").Default("job_").StringVar(&job.Prefix)
	clause.Flag("push-timeout", "The longest that pushes may delay the end, trying again included.").Default("10s").DurationVar(&job.PushTimeout)
	clause.Flag("ttl", "How long the group lives without another run, like 7d. As the gateway has it if not given.").PlaceHolder("DURATION").StringVar(&job.TTL)
	clause.Flag("quiet", "Say nothing about pushes that fail.").Short('q').BoolVar(&quiet)
	check := func() (err error) {
		switch {
		case job.Timeout < 0 || job.Grace < 0:
			return errors.New("--timeout and --kill-after must not be negative")
		case job.PushTimeout <= 0:
			return errors.New("--push-timeout must be more than 0")
		case !metric.IsLegacyName(job.Prefix + "x"):
			return fmt.Errorf("--prefix=%q: a metric cannot have a name that begins so; it must match [a-zA-Z_:][a-zA-Z0-9_:]*", job.Prefix)
		}
		if expect != "" {
			if job.Expect, err = intake.ParseTTL(expect); err != nil {
				return fmt.Errorf("--expect=%q: it must be a duration like 90m, 24h or 7d", expect)
			}
		}
		if job.Key, err = group.key(); err != nil {
			return err
		}
		return checkAll(address.checkTimes, func() error { return checkTTL(job.TTL) })
	}
	return command{clause, check, func(context.Context) (err error) {
		if quiet {
			job.Stderr = io.Discard
		}
		messages := &visibleWriter{to: job.Stderr, write: written}
		defer messages.Close()
		job.Stderr = messages
		if job.Client, err = client.New(address.Config); err != nil { // the command matters more
			fmt.Fprintf(job.Stderr, "pushgateway run: nothing is pushed: %v\n", err)
		}
		return exit(job.Run())
	}}
}
