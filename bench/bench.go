package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// bench is what all rows share. newBench makes it, close removes the
// directory it works in.
type bench struct {
	settings           // gateway and peer are paths from here on
	dir         string // binaries and files of this run
	self        string // this binary, to start the ceiling
	peerVersion string
	log         io.Writer
}

func newBench(ctx context.Context, s settings, log io.Writer) (*bench, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, dir: dir, log: log}
	if err := b.prepare(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// prepare finds or builds the binaries.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	name := b.peer
	if b.peer, b.peerVersion, err = findPeer(ctx, name); err != nil {
		return err
	}
	if b.peer == "" {
		fmt.Fprintf(b.log, "no %s here: its column stays empty\n", name)
	}
	if b.gateway != "" {
		return nil
	}
	b.gateway = filepath.Join(b.dir, "pushgateway")
	return buildGateway(ctx, b.gateway)
}

// large and middle are the two sizes of what is stored.
func (b *bench) large() *load  { return newLoad(b.series) }
func (b *bench) middle() *load { return newLoad(b.series / 10) }

// measure measures the selected rows, one after the other, so that none
// disturbs another. If some cannot be measured, it goes on with the others. The
// report names them, and so does the error.
func (b *bench) measure(ctx context.Context) (r *report, failed error) {
	r = newReport(b)
	for _, m := range measurements {
		if !b.select_.MatchString(m.name) {
			continue
		}
		begin := time.Now()
		rows, err := m.run(b, ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.failed = append(r.failed, m.name)
			failed = errors.Join(failed, fmt.Errorf("measuring %s: %w", m.name, err))
			continue
		}
		r.rows = append(r.rows, rows...)
		fmt.Fprintf(b.log, "%-15s %6.1f s\n", m.name, time.Since(begin).Seconds())
	}
	if len(r.rows) == 0 && failed == nil {
		return nil, fmt.Errorf("-run %s matches none of %s", b.select_, rowNames())
	}
	r.took = time.Since(r.date)
	return r, failed
}
