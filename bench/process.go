package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a server that was started for a measurement. It has been ready
// once; stop ends it and waits until it is gone.
type process struct {
	cmd    *exec.Cmd
	addr   string
	output tail
	ended  chan struct{}
	err    error         // how it ended; read after ended is closed
	took   time.Duration // from its start until it was ready
}

// stopGrace is how long a server may take to write what it holds to disk.
const stopGrace = 30 * time.Second

// startProcess starts a server at a free port of the loopback interface and
// returns when it is ready. listen is the flag that takes the address.
func startProcess(ctx context.Context, path, listen string, args ...string) (*process, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &process{addr: addr, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, path, append([]string{listen + "=" + addr}, args...)...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.wait()
	if err := p.awaitReady(); err != nil {
		p.stop()
		return nil, fmt.Errorf("starting %s: %w\n%s", filepath.Base(path), err, &p.output)
	}
	p.took = time.Since(begin)
	return p, nil
}

// freeAddress finds a port that nobody listens on. Somebody else could take
// it before the server does; the run then fails and can be repeated.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.ended)
}

// awaitReady asks often, so that the time of a start is not rounded to the
// interval.
func (p *process) awaitReady() error {
	begin := time.Now()
	for time.Since(begin) < patience {
		select {
		case <-p.ended:
			return fmt.Errorf("it ended before it was ready: %v", p.err)
		case <-time.After(500 * time.Microsecond):
		}
		if p.ready() {
			return nil
		}
	}
	return errors.New("it is not getting ready")
}

func (p *process) ready() bool {
	c, err := dial(p.addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_, err = c.do(get("/-/ready"), nil)
	return err == nil
}

// stop asks the server to end and waits until it has, for a while; then it is
// killed. It may be called twice.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.ended:
		return
	case <-time.After(stopGrace):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// memory gives the resident memory, now and at its highest, in bytes.
func (p *process) memory() (now, peak float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	if now, err = statusBytes(status, "VmRSS:"); err != nil {
		return 0, 0, err
	}
	peak, err = statusBytes(status, "VmHWM:")
	return now, peak, err
}

// processCPU returns the processor time that a process has used.
func processCPU(pid int) (time.Duration, error) {
	const scheduled = 2 // of the clocks of a process, see clock_getcpuclockid(3)
	var spent unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|scheduled), &spent)
	return time.Duration(spent.Nano()), err
}

// idleTime returns for how long the cores of this machine were idle since it was
// started, all together, to 10 ms.
func idleTime() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(stat))
	if len(f) < 6 {
		return 0, fmt.Errorf("the kernel says too little of the cores: %q", stat)
	}
	idle, err := strconv.Atoi(f[4])
	if err != nil {
		return 0, err
	}
	waiting, err := strconv.Atoi(f[5]) // for a disk
	return time.Duration(idle+waiting) * 10 * time.Millisecond, err
}

// statusBytes reads one line of what the kernel says: its name, a number, and
// kB, which means 1024 bytes.
func statusBytes(status []byte, name string) (float64, error) {
	for line := range bytes.Lines(status) {
		f := strings.Fields(string(line))
		if len(f) == 3 && f[0] == name && f[2] == "kB" {
			kib, err := strconv.ParseFloat(f[1], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the status of the process", name)
}

// tail keeps the last of what a process wrote, for the error that may need it.
type tail []byte

const tailSize = 2000

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	*t = (*t)[max(0, len(*t)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string { return string(*t) }
