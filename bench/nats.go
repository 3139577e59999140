package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// engine is three NATS servers that sync each write, which are the ceiling for
// pushes to a cluster.
type engine struct {
	dir     string // of the files of the servers
	servers []*exec.Cmd
	urls    []string
	conn    *nats.Conn
	content []byte // of a message
	header  nats.Header
	// latest are the sequences of the messages of each writer. They are taken only if
	// they name the one before, as those of a gateway.
	latest [manyClients][bareSubjects]uint64
}

const (
	engineServers = 3
	// clusterStream is the stream of the gateways, bareStream that of the engine alone.
	clusterStream, bareStream = "PUSHGATEWAY", "BARE"
	bareSubjects              = 64 // of a writer
)

// startEngine starts the servers, and makes a stream for the engine alone.
func (b *bench) startEngine(ctx context.Context, d disks) (*engine, error) {
	e, err := newEngine(b.dir)
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(e.dir, "nats-server")
	if err = d.build(ctx, binary, e.dir); err == nil {
		err = e.launch(ctx, binary)
	}
	if err == nil {
		err = e.makeStream()
	}
	if err == nil {
		err = e.moveToLeader()
	}
	if err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// newEngine returns servers that have stored nothing: those of an earlier engine
// had other addresses, and their files would keep them from electing a leader.
func newEngine(dir string) (*engine, error) {
	dir, err := os.MkdirTemp(dir, "nats")
	return &engine{dir: dir}, err
}

// moveToLeader connects to the server that leads the stream of the engine alone, as
// gateways do with theirs.
func (e *engine) moveToLeader() error {
	var got struct {
		Cluster struct {
			Leader string `json:"leader"`
		} `json:"cluster"`
	}
	if err := e.ask("STREAM.INFO."+bareStream, nil, &got); err != nil {
		return err
	}
	for i, url := range e.urls {
		if serverName(i) != got.Cluster.Leader {
			continue
		}
		e.conn.Close()
		var err error
		e.conn, err = nats.Connect(url)
		return err
	}
	return fmt.Errorf("no server is called %q, which leads the stream", got.Cluster.Leader)
}

func serverName(i int) string { return fmt.Sprint("n", i) }

func (e *engine) launch(ctx context.Context, binary string) error {
	listen, routes := make([]string, engineServers), make([]string, engineServers)
	for i := range engineServers {
		for _, at := range []*string{&listen[i], &routes[i]} {
			addr, err := freeAddress()
			if err != nil {
				return err
			}
			*at = addr
		}
	}
	for i, addr := range listen {
		config := fmt.Sprintf("server_name: %s\nlisten: %s\njetstream { store_dir: %q, sync_interval: always }\ncluster { name: bench, listen: %s, routes: [nats://%s] }\n",
			serverName(i), addr, filepath.Join(e.dir, serverName(i)), routes[i], strings.Join(routes, ", nats://"))
		file := filepath.Join(e.dir, serverName(i)+".conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, binary, "-c", file)
		if err := cmd.Start(); err != nil {
			return err
		}
		e.servers, e.urls = append(e.servers, cmd), append(e.urls, "nats://"+addr)
	}
	return nil
}

// makeStream waits for a leader, and makes the stream as a gateway would.
func (e *engine) makeStream() error {
	config, err := json.Marshal(map[string]any{
		"name": bareStream, "subjects": []string{"bare.>"}, "retention": "limits", "storage": "file", "num_replicas": engineServers,
		"max_msgs_per_subject": 1, "discard": "new", "allow_direct": true, "republish": map[string]string{"src": "bare.>", "dest": "read.>"},
		"allow_msg_ttl": true, "subject_delete_marker_ttl": time.Hour,
	})
	if err != nil {
		return err
	}
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if err = e.tryStream(config); err == nil || time.Since(begin) > patience {
			return err
		}
	}
}

func (e *engine) tryStream(config []byte) (err error) {
	if e.conn == nil {
		if e.conn, err = nats.Connect(strings.Join(e.urls, ",")); err != nil {
			return err
		}
	}
	return e.ask("STREAM.CREATE."+bareStream, config, nil)
}

// ask asks the servers' API, and reads the answer.
func (e *engine) ask(name string, request []byte, into any) error {
	m, err := e.conn.Request("$JS.API."+name, request, 5*time.Second)
	if err != nil {
		return err
	}
	var refused struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &refused); err != nil {
		return err
	}
	if refused.Error != nil {
		return errors.New(refused.Error.Description)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(m.Data, into)
}

// copyMessage takes the size of its messages, and their headers, from those that
// gateways have written.
func (e *engine) copyMessage() error {
	var got struct {
		Message struct {
			Data   []byte `json:"data"`
			Header []byte `json:"hdrs"`
		} `json:"message"`
	}
	if err := e.ask("STREAM.MSG.GET."+clusterStream, []byte(`{"last_by_subj":"pg.`+clusterStream+`.g.>"}`), &got); err != nil {
		return err
	}
	m, err := nats.DecodeHeadersMsg(got.Message.Header)
	if err != nil {
		return err
	}
	m.Del("Nats-Expected-Last-Subject-Sequence")
	m.Del("Nats-TTL")
	e.content, e.header = got.Message.Data, m
	return nil
}

// turn lets so many writers send messages, one after the other each, over the
// connection that they share, as pushes do in a gateway.
func (e *engine) turn(writers int, d time.Duration) func() (float64, error) {
	return func() (float64, error) {
		var wg sync.WaitGroup
		var done atomic.Int64
		var failed atomic.Pointer[error]
		begin := time.Now()
		for w := range writers {
			wg.Go(func() {
				for n := 0; time.Since(begin) < d && failed.Load() == nil; n++ {
					if err := e.write(w, n); err != nil {
						failed.Store(&err)
						return
					}
					done.Add(1)
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return 0, *err
		}
		return float64(done.Load()) / time.Since(begin).Seconds(), nil
	}
}

// write sends the nth message of a writer, and waits until it is acknowledged.
func (e *engine) write(writer, n int) error {
	latest := &e.latest[writer][n%bareSubjects]
	header := maps.Clone(e.header)
	header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(*latest, 10))
	m, err := e.conn.RequestMsg(&nats.Msg{Subject: fmt.Sprintf("bare.%d.%d", writer, n%bareSubjects), Data: e.content, Header: header}, 10*time.Second)
	if err != nil {
		return err
	}
	var got struct {
		Seq uint64 `json:"seq"`
	}
	if err := json.Unmarshal(m.Data, &got); err != nil || got.Seq == 0 {
		return fmt.Errorf("NATS answered %.200q", m.Data)
	}
	*latest = got.Seq
	return nil
}

// cpu returns the processor time that the servers have used.
func (e *engine) cpu() (sum time.Duration, err error) {
	for _, s := range e.servers {
		one, err := processCPU(s.Process.Pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// pause stops the servers as if their machines hung.
func (e *engine) pause() {
	for _, s := range e.servers {
		_ = s.Process.Signal(syscall.SIGSTOP)
	}
}

func (e *engine) resume() {
	for _, s := range e.servers {
		_ = s.Process.Signal(syscall.SIGCONT)
	}
}

// stop ends the servers. It may be called twice.
func (e *engine) stop() {
	for _, s := range e.servers {
		_ = s.Process.Signal(syscall.SIGTERM)
	}
	for _, s := range e.servers {
		_ = s.Wait()
	}
	e.servers = nil
	if e.conn != nil {
		e.conn.Close()
	}
	_ = os.RemoveAll(e.dir)
}
