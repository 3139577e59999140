package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// notices are what a process tells systemd.
type notices struct {
	t    *testing.T
	conn *net.UnixConn
	env  []string
}

func listenToNotices(t *testing.T) *notices {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &notices{t, conn, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=300000"}}
}

// under has systemd start a command.
func (n *notices) under(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(os.Environ(), n.env...)
	return cmd
}

// next waits for what is told next.
func (n *notices) next() string {
	n.t.Helper()
	if err := n.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		n.t.Fatal(err)
	}
	b := make([]byte, 100)
	size, err := n.conn.Read(b)
	if err != nil {
		n.t.Fatalf("nothing is told: %v", err)
	}
	return string(b[:size])
}

// want waits for notices that come one after the other.
func (n *notices) want(all ...string) {
	n.t.Helper()
	for _, want := range all {
		if got := n.next(); got != want {
			n.t.Fatalf("told %q, want %q", got, want)
		}
	}
}

func TestSystemdIsTold(t *testing.T) {
	n := listenToNotices(t)
	p := testproc.Run(t, n.under(exec.Command(binary, "--web.listen-address=127.0.0.1:0")))
	n.want("READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1")
	s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
	s.get("/-/ready")
	p.Stop()
	last := n.next()
	for last == "WATCHDOG=1" {
		last = n.next()
	}
	if last != "STOPPING=1" {
		t.Errorf("told %q at the end", last)
	}
}

// TestSystemdIsNotToldTooEarly ends a gateway that still reads its journal.
func TestSystemdIsNotToldTooEarly(t *testing.T) {
	needsStrace(t)
	n := listenToNotices(t)
	p := testproc.Run(t, n.under(slowly(makeJournal(t, slowGroups))))
	s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
	s.wantStarting(http.MethodGet, "/-/ready", "")
	n.mark()
	p.Untrace()
	n.want(mark, "READY=1", "WATCHDOG=1")
	s.get("/-/ready")
}

const mark = "MARK=1"

// mark puts a notice of our own behind what has been told.
func (n *notices) mark() {
	n.t.Helper()
	conn, err := net.Dial("unixgram", n.conn.LocalAddr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(mark)); err != nil {
		n.t.Fatal(err)
	}
}
