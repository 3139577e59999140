// Package jobrun runs a command and tells a gateway how that went: when it
// began, when it ended and how, and what it took.
package jobrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"pushgateway/internal/client"
	"pushgateway/internal/grouping"
)

// Exit codes of runs that do not have one of a command, as shells and
// timeout(1) have them.
const (
	ExitTimeout    = 124
	ExitLocked     = 75 // EX_TEMPFAIL of sysexits.h: try again later
	ExitNotStarted = 126
	ExitNotFound   = 127
	exitSignal     = 128 // plus the number of the signal
)

// MetricsVariable tells the command where it may write metrics of its own.
const MetricsVariable = "PUSHGATEWAY_METRICS"

// Job is a command, and what is to be done about it.
type Job struct {
	Args []string // the command and its arguments
	// Timeout ends the command if it takes longer, first gently, and Grace
	// later for good; 0 is never.
	Timeout, Grace time.Duration
	// Lock is a file that is locked while the command runs; if somebody else
	// has it, the command is not run. None if empty.
	Lock string
	// MetricsFile is where the command writes metrics; a temporary one if
	// empty.
	MetricsFile string

	// Client pushes; if it is nil nothing is pushed.
	Client *client.Client
	Key    grouping.Key
	TTL    string
	// PushTimeout bounds what all pushes together add to the time of the
	// command.
	PushTimeout time.Duration
	Prefix      string        // of the names of metrics, like "job_"
	Expect      time.Duration // how often the job is expected to succeed; 0 if that is not known

	// Stderr gets a line about each thing that went wrong beside the command.
	Stderr io.Writer
}

// Run runs the command with the standard streams of this process, and gives
// the code to exit with: that of the command, whatever becomes of the pushes.
func (j Job) Run() int {
	unlock, err := lock(j.Lock)
	switch {
	case errors.Is(err, errLocked):
		j.tell(err)
		return ExitLocked
	case err != nil:
		j.tell(err)
		return ExitNotStarted
	}
	defer unlock()
	m, err := newMetricsFile(j.MetricsFile)
	if err != nil {
		j.tell(fmt.Errorf("the command gets no file for metrics: %w", err))
	}
	defer m.close()

	r := report{begin: time.Now()}
	begun := j.pushBegin(&r)
	r.code, r.state = j.exec(m.path)
	r.end = time.Now()
	j.pushEnd(&r, m, begun)
	return r.code
}

// tell writes about what went wrong.
func (j *Job) tell(err error) { fmt.Fprintf(j.Stderr, "pushgateway run: %v\n", err) }

// exec runs the command. It gives its exit code and what it has used, nil if
// it could not be started.
func (j *Job) exec(metrics string) (code int, state *os.ProcessState) {
	cmd := exec.Command(j.Args[0], j.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if metrics != "" {
		cmd.Env = append(os.Environ(), MetricsVariable+"="+metrics)
	}
	group := ownGroup(cmd)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		j.tell(fmt.Errorf("starting the command: %w", err))
		return notStarted(err), nil
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	late := j.supervise(process{cmd.Process, group}, signals, done)
	code = exitCode(cmd.ProcessState)
	if late {
		j.tell(fmt.Errorf("the command was ended: it took longer than %s", j.Timeout))
		code = ExitTimeout
	}
	return code, cmd.ProcessState
}

func notStarted(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return ExitNotFound
	}
	return ExitNotStarted
}

// supervise hands signals on until the command has ended, and tells whether
// its time was over before.
func (j *Job) supervise(p process, signals <-chan os.Signal, done <-chan error) (late bool) {
	deadline, kill := after(j.Timeout), (<-chan time.Time)(nil)
	for {
		select {
		case s := <-signals:
			p.forward(s)
		case <-deadline:
			late = true
			p.end()
			kill = time.After(j.Grace)
		case <-kill:
			p.kill()
			kill = nil
		case <-done: // the state says more than the error
			if kill != nil {
				p.endRest(kill)
			}
			return late
		}
	}
}

// after is time.After that never comes for 0.
func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

// pushBegin begins to push that the command runs, which does not wait for it.
// The channel is closed when that has ended.
func (j *Job) pushBegin(r *report) (done <-chan struct{}) {
	begun := make(chan struct{})
	body := r.beginning(j.Prefix, j.Expect)
	go func() {
		defer close(begun)
		ctx, cancel := context.WithTimeout(context.Background(), j.PushTimeout)
		defer cancel()
		_ = j.push(ctx, client.Push{Body: body, Once: true}) // the end says it all again
	}()
	return begun
}

// pushEnd pushes how it went. What the push of the beginning still takes counts
// too, so that the two come in order and together take no longer than allowed.
func (j *Job) pushEnd(r *report, m *metricsFile, begun <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), j.PushTimeout)
	defer cancel()
	select {
	case <-begun:
	case <-ctx.Done():
	}
	own, err := m.read(j.Prefix)
	if err != nil {
		j.tell(fmt.Errorf("metrics of the command are left out: %w", err))
	}
	body := r.ending(j.Prefix, j.Expect)
	err = j.push(ctx, client.Push{Body: append(own, body...)})
	if len(own) > 0 && client.Refused(err) {
		j.tell(fmt.Errorf("metrics of the command are left out: %w", err))
		err = j.push(ctx, client.Push{Body: body})
	}
	if err != nil {
		j.tell(fmt.Errorf("how the command went could not be pushed: %w", err))
	}
}

func (j *Job) push(ctx context.Context, p client.Push) error {
	if j.Client == nil {
		return nil
	}
	p.Key, p.TTL = j.Key, j.TTL
	return j.Client.Push(ctx, p)
}
