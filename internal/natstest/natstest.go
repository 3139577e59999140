// Package natstest runs NATS servers for tests: real ones, in the process of
// the test. Nothing of it is in the released binary.
package natstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pushgateway/internal/testproc"
)

// Cluster is some servers with a common JetStream.
type Cluster struct {
	t       testing.TB
	options []*server.Options
	servers []*server.Server // nil if stopped
	system  key              // of the system account, if the server asks for credentials
	account key              // of the account of gateways, if it does
}

const (
	// memory and storage bound each server, in bytes. Each stream reserves its
	// maximum size, which no test fills.
	memory        = 64 << 20
	storage int64 = 100 << 30
	// ready is how long a server may take to start.
	ready = 20 * time.Second
)

// Start starts n servers, which end with the test. Each write is synced.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	return start(t, n, func(o *server.Options) { o.SyncAlways = true })
}

// StartUnsynced starts a server that does not wait for the disk, for tests that
// store much.
func StartUnsynced(t testing.TB) *Cluster {
	t.Helper()
	return start(t, 1, func(*server.Options) {})
}

// StartPartly starts n servers, of which the last one has no JetStream.
func StartPartly(t testing.TB, n int) *Cluster {
	t.Helper()
	return start(t, n, func(o *server.Options) { o.SyncAlways, o.JetStream = true, o.ServerName != fmt.Sprint("n", n-1) })
}

func start(t testing.TB, n int, set func(*server.Options)) *Cluster {
	t.Helper()
	c := &Cluster{t: t, options: make([]*server.Options, n), servers: make([]*server.Server, n)}
	dir := t.TempDir()
	for i := range n {
		c.options[i] = &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: testproc.FreePort(t), NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprint(i)),
			JetStreamMaxMemory: memory, JetStreamMaxStore: storage, MaxPayload: 1 << 20,
		}
		set(c.options[i])
	}
	t.Cleanup(c.stopAll)
	if n > 1 {
		c.join()
		return c
	}
	c.Run(0)
	return c
}

// join makes the servers a cluster. The ports of the routes must be known, so
// that each server finds the others.
func (c *Cluster) join() {
	c.t.Helper()
	var routes []string
	for _, o := range c.options {
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: testproc.FreePort(c.t), NoAdvertise: true}
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", o.Cluster.Port))
	}
	for _, o := range c.options {
		o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
	}
	for i := range c.options {
		c.start(i)
	}
	for i := range c.options {
		c.await(i)
	}
	c.awaitLeader()
}

// Run starts a server that is stopped, on the port that it had, and waits for
// it.
func (c *Cluster) Run(i int) {
	c.t.Helper()
	c.start(i)
	c.await(i)
}

func (c *Cluster) start(i int) {
	c.t.Helper()
	s, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		c.t.Fatal(err)
	}
	s.Start()
	c.servers[i] = s
}

func (c *Cluster) await(i int) {
	c.t.Helper()
	if !c.servers[i].ReadyForConnections(ready) {
		c.t.Fatalf("the NATS server %d did not start", i)
	}
}

func (c *Cluster) awaitLeader() {
	c.t.Helper()
	for end := time.Now().Add(ready); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, s := range c.servers {
			if s != nil && s.JetStreamIsLeader() && s.JetStreamIsCurrent() {
				return
			}
		}
	}
	c.t.Fatal("the NATS servers elected no leader")
}

// Stop stops a server.
func (c *Cluster) Stop(i int) {
	if s := c.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		c.servers[i] = nil
	}
}

// Isolate starts a server again as one of another cluster, so that it does not find
// those that it has been with. It must be stopped.
func (c *Cluster) Isolate(i int) {
	c.t.Helper()
	c.options[i].Cluster.Name = "other"
	c.Run(i)
}

// WithoutJetStream starts a server again without JetStream. It must be stopped.
func (c *Cluster) WithoutJetStream(i int) {
	c.t.Helper()
	c.options[i].JetStream = false
	c.Run(i)
}

// Copy copies what a server has stored, which must be stopped.
func (c *Cluster) Copy(i int) (dir string) {
	c.t.Helper()
	dir = c.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(c.options[i].StoreDir)); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// Restore makes what a server has stored, which must be stopped, what a copy has.
func (c *Cluster) Restore(i int, dir string) {
	c.t.Helper()
	if err := os.RemoveAll(c.options[i].StoreDir); err != nil {
		c.t.Fatal(err)
	}
	if err := os.CopyFS(c.options[i].StoreDir, os.DirFS(dir)); err != nil {
		c.t.Fatal(err)
	}
}

// Leader returns the index of the server that leads a stream, or -1.
func (c *Cluster) Leader(stream string) int {
	for i, s := range c.servers {
		if s != nil && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

// Clients returns how many connections a server has whose name begins so.
func (c *Cluster) Clients(i int, name string) (n int) {
	c.t.Helper()
	all, err := c.servers[i].Connz(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, one := range all.Conns {
		if strings.HasPrefix(one.Name, name) {
			n++
		}
	}
	return n
}

func (c *Cluster) stopAll() {
	for i := range c.servers {
		c.Stop(i)
	}
}

// URLs returns the addresses of all servers.
func (c *Cluster) URLs() (urls []string) {
	for _, o := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return urls
}
