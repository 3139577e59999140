// Package jobrun runs a command and pushes its outcome to a gateway: when it
// started and ended, how, and what it used.
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

// Exit codes of runs that have none from the command. They follow shells and
// timeout(1).
const (
	exitTimeout    = 124
	exitLocked     = 75 // EX_TEMPFAIL of sysexits.h: retry later
	exitNotStarted = 126
	exitNotFound   = 127
	exitSignal     = 128 // plus the number of the signal
)

// metricsVariable is the environment variable that names the file for the
// command's own metrics.
const metricsVariable = "PUSHGATEWAY_METRICS"

// Job is a command and how to run it.
type Job struct {
	Args []string // the command and its arguments
	// Timeout ends the command if it takes longer: with SIGTERM, and Grace later
	// with SIGKILL. 0 means never.
	Timeout, Grace time.Duration
	// Lock is a file that is locked while the command runs. If another process
	// holds the lock, the command does not run. Empty for none.
	Lock string
	// MetricsFile is where the command writes its own metrics. Empty for a
	// temporary file.
	MetricsFile string

	// Client pushes. If it is nil, nothing is pushed.
	Client *client.Client
	Key    grouping.Key
	TTL    string
	// PushTimeout bounds how much all pushes together add to the duration of the
	// command.
	PushTimeout time.Duration
	Prefix      string        // prefix of metric names, like "job_"
	Expect      time.Duration // how often the job should succeed; 0 if unknown

	// Stderr receives a line about everything that goes wrong apart from the
	// command.
	Stderr io.Writer
}

// Run runs the command with the standard streams of this process. It returns
// the exit code of the command, even if pushes fail.
func (j Job) Run() int {
	unlock, err := lock(j.Lock)
	switch {
	case errors.Is(err, errLocked):
		j.tell(err)
		return exitLocked
	case err != nil:
		j.tell(err)
		return exitNotStarted
	}
	defer unlock()
	m, err := newMetricsFile(j.MetricsFile)
	if err != nil {
		j.tell(fmt.Errorf("running the command without a file for metrics: %w", err))
	}
	defer m.close()

	r := report{begin: time.Now()}
	begun := j.pushBegin(&r)
	r.code, r.state = j.exec(m.path)
	r.end = time.Now()
	j.pushEnd(&r, m, begun)
	return r.code
}

// tell reports what went wrong.
func (j *Job) tell(err error) { fmt.Fprintf(j.Stderr, "pushgateway run: %v\n", err) }

// exec runs the command. It returns the exit code and the resources used, which
// are nil if the command could not be started.
func (j *Job) exec(metrics string) (code int, state *os.ProcessState) {
	cmd := exec.Command(j.Args[0], j.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if metrics != "" {
		cmd.Env = append(os.Environ(), metricsVariable+"="+metrics)
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
		j.tell(fmt.Errorf("ended the command, since it took longer than %s", j.Timeout))
		code = exitTimeout
	}
	return code, cmd.ProcessState
}

func notStarted(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return exitNotFound
	}
	return exitNotStarted
}

// supervise forwards signals until the command has ended. It reports whether
// the timeout came first.
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

// after is time.After, except that 0 means never.
func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

// pushBegin starts a push that says that the command runs, without waiting for
// it. The channel is closed when the push has ended.
func (j *Job) pushBegin(r *report) (done <-chan struct{}) {
	begun := make(chan struct{})
	body := r.beginning(j.Prefix, j.Expect)
	go func() {
		defer close(begun)
		ctx, cancel := context.WithTimeout(context.Background(), j.PushTimeout)
		defer cancel()
		_ = j.push(ctx, client.Push{Body: body, Once: true}) // the second push repeats it all
	}()
	return begun
}

// pushEnd pushes the outcome. It waits for the first push, so that the two
// arrive in order, and both together stay within PushTimeout.
func (j *Job) pushEnd(r *report, m *metricsFile, begun <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), j.PushTimeout)
	defer cancel()
	select {
	case <-begun:
	case <-ctx.Done():
	}
	own, err := m.read(j.Prefix)
	if err != nil {
		j.tell(fmt.Errorf("leaving out the metrics of the command: %w", err))
	}
	body := r.ending(j.Prefix, j.Expect)
	err = j.push(ctx, client.Push{Body: append(own, body...)})
	if len(own) > 0 && client.Refused(err) {
		j.tell(fmt.Errorf("leaving out the metrics of the command: %w", err))
		err = j.push(ctx, client.Push{Body: body})
	}
	if err != nil {
		j.tell(fmt.Errorf("pushing the outcome of the command: %w", err))
	}
}

func (j *Job) push(ctx context.Context, p client.Push) error {
	if j.Client == nil {
		return nil
	}
	p.Key, p.TTL = j.Key, j.TTL
	return j.Client.Push(ctx, p)
}
