package natstest

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"pushgateway/internal/testproc"
)

// Processes are servers in processes of their own, which can be paused and
// killed.
type Processes struct {
	t       testing.TB
	command func(i int, args ...string) *exec.Cmd
	hosts   []string // their addresses
	ports   []int
	dirs    []string // with what they store
	configs []string
	running []*exec.Cmd // nil if killed
}

// Launch builds the server, starts n processes of it, and waits until they have
// a leader.
func Launch(t testing.TB, n int) *Processes {
	t.Helper()
	binary := Build(t)
	p := &Processes{t: t}
	for range n {
		p.hosts = append(p.hosts, "127.0.0.1")
		p.ports = append(p.ports, testproc.FreePort(t), testproc.FreePort(t))
	}
	p.command = func(_ int, args ...string) *exec.Cmd { return exec.Command(binary, args...) }
	p.launch()
	return p
}

// LaunchOn does it on the first hosts of a network.
func LaunchOn(t testing.TB, net *Network, n int) *Processes {
	t.Helper()
	binary := Build(t)
	p := &Processes{t: t, ports: make([]int, 2*n)}
	for i := range n {
		p.hosts = append(p.hosts, net.Address(i))
		p.ports[i], p.ports[n+i] = 4222, 6222
	}
	p.command = func(i int, args ...string) *exec.Cmd { return net.Command(i, binary, args...) }
	p.launch()
	return p
}

// Build builds the server and returns the path of its program, which
// TEST_NATS_SERVER in the environment may name.
func Build(t testing.TB) (binary string) {
	t.Helper()
	if binary = os.Getenv("TEST_NATS_SERVER"); binary != "" {
		return binary
	}
	binary = filepath.Join(t.TempDir(), "nats-server")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("building nats-server: %v\n%s", err, out)
	}
	return binary
}

func (p *Processes) launch() {
	p.t.Helper()
	n, dir := len(p.hosts), p.t.TempDir()
	p.running = make([]*exec.Cmd, n)
	var routes []string
	for i, host := range p.hosts {
		routes = append(routes, fmt.Sprintf("nats://%s:%d", host, p.ports[n+i]))
	}
	p.t.Cleanup(p.killAll)
	for i, host := range p.hosts {
		p.dirs = append(p.dirs, filepath.Join(dir, fmt.Sprint(i)))
		config := fmt.Sprintf("server_name: n%d\nlisten: %s:%d\nmax_payload: 1MB\njetstream { store_dir: %q, max_mem: %d, max_file: %d, sync_interval: always }\n",
			i, host, p.ports[i], p.dirs[i], memory, storage)
		if n > 1 {
			config += fmt.Sprintf("cluster { name: test, listen: %s:%d, routes: [%s], no_advertise: true }\n", host, p.ports[n+i], strings.Join(routes, ", "))
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.conf", i))
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			p.t.Fatal(err)
		}
		p.configs = append(p.configs, path)
		p.Run(i)
	}
	for i := range n {
		p.await(i)
	}
}

// Run starts a process that does not run.
func (p *Processes) Run(i int) {
	p.t.Helper()
	cmd := p.command(i, "-c", p.configs[i])
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=256MiB")
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.running[i] = cmd
}

// await waits until JetStream of a server answers.
func (p *Processes) await(i int) {
	p.t.Helper()
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		conn, err := nats.Connect(p.url(i), nats.Timeout(time.Second))
		if err != nil {
			continue
		}
		m, err := conn.Request("$JS.API.INFO", nil, time.Second)
		conn.Close()
		if err == nil && !strings.Contains(string(m.Data), `"error"`) {
			return
		}
	}
	p.t.Fatalf("the NATS server %d does not answer", i)
}

// Pause stops a process without ending it. Resume lets it go on.
func (p *Processes) Pause(i int)  { p.signal(i, syscall.SIGSTOP) }
func (p *Processes) Resume(i int) { p.signal(i, syscall.SIGCONT) }

// Full makes a process fail to write, as if its disk was full, or no longer.
func (p *Processes) Full(i int, full bool) {
	p.t.Helper()
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if full {
		limit.Cur = 1 // no file may grow
	}
	if err := unix.Prlimit(p.running[i].Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Processes) signal(i int, s syscall.Signal) {
	p.t.Helper()
	if err := p.running[i].Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Kill kills a process.
func (p *Processes) Kill(i int) {
	if cmd := p.running[i]; cmd != nil {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		p.running[i] = nil
	}
}

// Terminate ends a process in order.
func (p *Processes) Terminate(i int) {
	p.t.Helper()
	p.signal(i, syscall.SIGTERM)
	_ = p.running[i].Wait() // the server ends with 1
	p.running[i] = nil
}

// Flip flips a bit in the middle of the first file of a stream. The server must
// have ended in order: otherwise it reads all files when it starts, and notices.
func (p *Processes) Flip(i int, stream string) {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dirs[i], "jetstream", "*", "streams", stream, "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		p.t.Fatalf("the server %d has no files of the stream %s: %v", i, stream, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		p.t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(files[0], content, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Processes) killAll() {
	for i := range p.running {
		p.Kill(i)
	}
}

// cluster is what the leader of a stream says of its replicas.
type cluster struct {
	Leader   string `json:"leader"`
	Replicas []struct {
		Current bool `json:"current"`
		Offline bool `json:"offline"`
	} `json:"replicas"`
}

func (p *Processes) cluster(stream string) (c cluster) {
	conn, err := nats.Connect(strings.Join(p.URLs(), ","), nats.Timeout(time.Second))
	if err != nil {
		return c
	}
	defer conn.Close()
	m, err := conn.Request("$JS.API.STREAM.INFO."+stream, nil, time.Second)
	if err != nil {
		return c
	}
	var info struct{ Cluster cluster }
	if json.Unmarshal(m.Data, &info) != nil {
		return c
	}
	return info.Cluster
}

// Leader returns the index of the server that leads a stream, or -1.
func (p *Processes) Leader(stream string) int {
	p.t.Helper()
	var i int
	if _, err := fmt.Sscanf(p.cluster(stream).Leader, "n%d", &i); err != nil {
		return -1
	}
	return i
}

// AwaitCurrent waits until all replicas of a stream have everything.
func (p *Processes) AwaitCurrent(stream string) {
	p.t.Helper()
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		current := 1 // the leader
		for _, r := range p.cluster(stream).Replicas {
			if r.Current && !r.Offline {
				current++
			}
		}
		if current == len(p.hosts) {
			return
		}
	}
	p.t.Fatal("the replicas of the stream are not current")
}

func (p *Processes) url(i int) string {
	return "nats://" + net.JoinHostPort(p.hosts[i], fmt.Sprint(p.ports[i]))
}

// URLs returns the addresses of all servers.
func (p *Processes) URLs() (urls []string) {
	for i := range p.running {
		urls = append(urls, p.url(i))
	}
	return urls
}
