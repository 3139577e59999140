package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// victoria is the program that a user may pick instead of a gateway: it takes the
// same bodies at a path of its own, and keeps a history.
const victoria = "victoria-metrics"

// measureVictoria measures the reference load into VictoriaMetrics beside the
// gateway: the pushes a second, and the CPU of the server for each.
func (b *bench) measureVictoria(ctx context.Context) ([]row, error) {
	path, err := exec.LookPath(victoria)
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Fprintf(b.log, "no %s here: the rows about it are left out\n", victoria)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	gateway, err := b.startGateway(ctx, b.middle())
	if err != nil {
		return nil, err
	}
	defer gateway.stop()
	other, err := b.startVictoria(ctx, path)
	if err != nil {
		return nil, err
	}
	defer other.stop()
	ours, theirs := &spent{target: gateway}, &spent{target: other}
	rates, err := contest(b.rounds, ours.turn(b.duration), theirs.turn(b.duration))
	if err != nil {
		return nil, err
	}
	return victoriaRows(rates, median(ours.each), median(theirs.each)), nil
}

func victoriaRows(rates []float64, ours, theirs float64) []row {
	return []row{
		{what: "pushes/s beside VictoriaMetrics, from raw sockets", unit: perSecond, gateway: rates[0]},
		{what: "the same into VictoriaMetrics", unit: perSecond, gateway: rates[1]},
		{what: "gateway against VictoriaMetrics", unit: factor, gateway: rates[0] / rates[1], goals: []goal{atLeast("×2", rates[0], 2, rates[1])}},
		{what: "CPU of a push", unit: microseconds, gateway: ours},
		{what: "the same of VictoriaMetrics", unit: microseconds, gateway: theirs},
	}
}

// startVictoria starts VictoriaMetrics with its default flags, apart from less
// logging, in a directory of its own.
func (b *bench) startVictoria(ctx context.Context, path string) (*target, error) {
	dir, err := os.MkdirTemp(b.dir, "victoria")
	if err != nil {
		return nil, err
	}
	l := *b.middle()
	l.path = appendImportPath
	p, err := startProcess(ctx, path, "-httpListenAddr", "-storageDataPath="+dir, "-loggerLevel=ERROR")
	if err != nil {
		return nil, err
	}
	t := &target{process: p, load: &l, clients: clients}
	if err := t.fill(); err != nil {
		t.stop()
		return nil, fmt.Errorf("filling VictoriaMetrics: %w", err)
	}
	return t, nil
}

// appendImportPath appends where VictoriaMetrics takes a push to a group.
func appendImportPath(to []byte, group int) []byte {
	to = append(to, "/api/v1/import/prometheus?extra_label=job=bench&extra_label=instance=i-"...)
	return strconv.AppendInt(to, int64(group), 10)
}

// spent notes what a push takes of the processors in each round.
type spent struct {
	*target
	each []float64 // µs
}

func (s *spent) turn(d time.Duration) func() (float64, error) {
	return func() (float64, error) {
		before, err := processCPU(s.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		rate, err := s.rate(d)
		if err != nil {
			return 0, err
		}
		after, err := processCPU(s.cmd.Process.Pid)
		s.each = append(s.each, float64((after-before).Microseconds())/(rate*d.Seconds()))
		return rate, err
	}
}
