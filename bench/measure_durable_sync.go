package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// cloudDisks take as long to sync as good disks that are reached over a network, or
// as disks of one's own that have no protected cache.
const cloudDisks = disks(2 * time.Millisecond)

// boltModule is the module that writes the gateway's file, and syncs it.
const boltModule = "go.etcd.io/bbolt"

// buildGateway builds the gateway of this module with such disks: the syncs that a
// push waits for take longer. What it needs for that goes to a directory.
func (d disks) buildGateway(ctx context.Context, binary, dir string) error {
	modules, err := slowModule(ctx, boltModule, dir, d.slowDownBolt)
	if err != nil {
		return fmt.Errorf("making the syncs of bbolt slower: %w", err)
	}
	args := append([]string{"build", "-modfile=" + modules}, gatewayFlags(binary)...)
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return nil
}

// slowDownBolt makes bbolt take longer to sync commits, and the growth of the file.
func (d disks) slowDownBolt(copied string) error {
	return errors.Join(
		d.slowDown(filepath.Join(copied, "bolt_linux.go"), "syscall.Fdatasync(int(db.file.Fd()))"),
		d.slowDown(filepath.Join(copied, "db.go"), "db.file.Sync()"))
}

// measureDurableSync measures pushes that are answered when they are on a disk that
// takes long to sync, beside memory alone, and beside appends to such a disk.
func (b *bench) measureDurableSync(ctx context.Context) ([]row, error) {
	dir, err := os.MkdirTemp(b.dir, "slow")
	if err != nil {
		return nil, err
	}
	slow := *b
	slow.gateway = filepath.Join(dir, "pushgateway")
	if err := cloudDisks.buildGateway(ctx, slow.gateway, dir); err != nil {
		return nil, err
	}
	l := b.middle()
	durable, _, err := slow.startDurable(ctx, l)
	if err != nil {
		return nil, err
	}
	defer durable.stop()
	memory, err := slow.startGateway(ctx, l)
	if err != nil {
		return nil, err
	}
	defer memory.stop()
	var rows []row
	for _, n := range durableClients {
		var appends func() (float64, error)
		if n == 1 {
			appends = appendsTo(filepath.Join(dir, "appended"), b.duration, cloudDisks)
		}
		rates, err := contest(b.rounds, b.turnAs(durable, n, true), b.turnAs(memory, n, true), appends)
		if err != nil {
			return nil, err
		}
		rows = append(rows, durableSyncRows(n, rates)...)
	}
	return rows, nil
}

// durableSyncRows compare one client with appends, and many with memory alone.
func durableSyncRows(n int, rates []float64) []row {
	durable, memory, appends := rates[0], rates[1], rates[2]
	onDisk := row{
		what: fmt.Sprintf("pushes/s answered when on disk, each sync takes %d ms more, clients: %d", time.Duration(cloudDisks).Milliseconds(), n),
		unit: perSecond, gateway: durable,
	}
	if n == durableClients[len(durableClients)-1] {
		onDisk.goals = []goal{atLeast("0.8 of memory alone", durable, 0.8, memory)}
	}
	rows := []row{onDisk, {what: "that disk against memory", unit: factor, gateway: durable / memory}}
	if appends > 0 {
		rows = append(rows, row{what: "that disk against bare appends that are synced", unit: factor, gateway: durable / appends,
			goals: []goal{atLeast(fmt.Sprintf("0.5 of %s/s", digits(appends)), durable, 0.5, appends)}})
	}
	return rows
}
