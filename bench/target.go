package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// target is a process, and the load that is driven into it.
type target struct {
	*process
	load    *load
	clients int          // that push at the same time
	web     bool         // they use net/http
	next    atomic.Int64 // number of the next push, kept over rounds
}

// kind says what to start as a target.
type kind struct {
	path   string
	listen string // flag that takes the address
	args   []string
	late   time.Duration // how long after its answer a push may become visible
}

// startGateway starts the gateway with its default flags.
func (b *bench) startGateway(ctx context.Context, l *load) (*target, error) {
	return b.start(ctx, kind{path: b.gateway, listen: "--web.listen-address",
		args: []string{"--log.level=error", "--persistence.file="}}, l)
}

// startDurable starts the gateway with a persistence file in a directory of
// its own.
func (b *bench) startDurable(ctx context.Context, l *load, args ...string) (t *target, file string, err error) {
	dir, err := os.MkdirTemp(b.dir, "durable")
	if err != nil {
		return nil, "", err
	}
	file = filepath.Join(dir, "data")
	t, err = b.start(ctx, kind{path: b.gateway, listen: "--web.listen-address",
		args: append(args, "--log.level=error", "--persistence.file="+file)}, l)
	return t, file, err
}

func (b *bench) startCeiling(ctx context.Context, l *load) (*target, error) {
	return b.start(ctx, kind{path: b.self, listen: "-ceiling"}, l)
}

// startPeer starts the peer with its check switched off, which is the only
// way to fill it in bearable time.
func (b *bench) startPeer(ctx context.Context, l *load) (*target, error) {
	return b.start(ctx, b.peerKind("", "--push.disable-consistency-check"), l)
}

// startCheckingPeer starts the peer with its default flags, holding the load
// already: another one is filled without its check, and hands over its file.
func (b *bench) startCheckingPeer(ctx context.Context, l *load) (*target, error) {
	dir, err := os.MkdirTemp(b.dir, "peer")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "data")
	filler, err := b.start(ctx, b.peerKind(file, "--push.disable-consistency-check"), l)
	if err != nil {
		return nil, err
	}
	filler.stop()
	p, err := startProcess(ctx, b.peer, "--web.listen-address", b.peerKind(file).args...)
	if err != nil {
		return nil, err
	}
	return checked(&target{process: p, load: l, clients: clients}, 0)
}

func (b *bench) peerKind(file string, args ...string) kind {
	return kind{path: b.peer, listen: "--web.listen-address", late: patience,
		args: append(args, "--log.level=error", "--persistence.file="+file)}
}

// start starts a target and fills it with the load.
func (b *bench) start(ctx context.Context, k kind, l *load) (*target, error) {
	p, err := startProcess(ctx, k.path, k.listen, k.args...)
	if err != nil {
		return nil, err
	}
	t := &target{process: p, load: l, clients: clients}
	if err := t.fill(); err != nil {
		t.stop()
		return nil, fmt.Errorf("filling %s: %w", filepath.Base(k.path), err)
	}
	if k.path == b.self {
		return t, nil
	}
	return checked(t, k.late)
}

// checked makes sure that the target holds what was pushed: nobody is to be
// fast by forgetting. One that answers pushes before it has stored them gets
// some time to.
func checked(t *target, late time.Duration) (*target, error) {
	begin := time.Now()
	for {
		n, err := t.exposed()
		if err == nil && n == t.load.series() {
			return t, nil
		}
		if err == nil {
			err = fmt.Errorf("it exposes %d series of %d", n, t.load.series())
		}
		if time.Since(begin) >= late {
			t.stop()
			return nil, fmt.Errorf("checking %s: %w", filepath.Base(t.cmd.Path), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// exposed counts the series of the load that a scrape shows.
func (t *target) exposed() (int, error) {
	text, err := t.fetch(textScrape)
	return bytes.Count(text, []byte("\netl_")), err
}

// fetch gives the body of an answer.
func (t *target) fetch(request []byte) ([]byte, error) {
	c, err := dial(t.addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var b bytes.Buffer
	_, err = c.do(request, &b)
	return b.Bytes(), err
}

// discard reads an answer, and keeps nothing of it. To keep a large one would take
// the machine's memory and time from the gateway.
func (t *target) discard(request []byte) error {
	c, err := dial(t.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.do(request, nil)
	return err
}

// buildGateway builds the gateway as it is shipped: stripped.
func buildGateway(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build"}, gatewayFlags(to)...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return nil
}

// gatewayFlags are the arguments of go build for that.
func gatewayFlags(to string) []string {
	return []string{"-trimpath", "-ldflags", "-s -w", "-o", to, "pushgateway/cmd/pushgateway"}
}

// findPeer gives the path and the version of the peer, or nothing if there is
// none.
func findPeer(ctx context.Context, name string) (path, version string, err error) {
	path, err = exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return "", "", fmt.Errorf("asking the peer for its version: %w", err)
	}
	_, rest, _ := strings.Cut(string(out), "version ")
	version, _, _ = strings.Cut(rest, " ")
	return path, version, nil
}
