package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// durableClients are the numbers of clients that push at the same time, and
// so wait for the disk together.
var durableClients = []int{1, 16, 64}

// measureDurable measures pushes that are answered when they are on disk,
// beside the same clients pushing to memory and to the ceiling, beside what bbolt
// does alone, and beside what the disk syncs.
func (b *bench) measureDurable(ctx context.Context) ([]row, error) {
	l := b.middle()
	durable, _, err := b.startDurable(ctx, l)
	if err != nil {
		return nil, err
	}
	defer durable.stop()
	memory, err := b.startGateway(ctx, l)
	if err != nil {
		return nil, err
	}
	defer memory.stop()
	ceiling, err := b.startCeiling(ctx, l)
	if err != nil {
		return nil, err
	}
	defer ceiling.stop()
	alone, err := openDisk(b.dir)
	if err != nil {
		return nil, err
	}
	defer alone.close()
	var rows []row
	for _, n := range durableClients {
		var appends func() (float64, error)
		if n == 1 {
			appends = appendsTo(filepath.Join(b.dir, "appended"), b.duration, asTheyAre)
		}
		rates, err := contest(b.rounds, b.turnAs(durable, n, true), b.turnAs(memory, n, true), alone.turn(n, b.duration), b.turnAs(ceiling, n, true), appends)
		if err != nil {
			return nil, err
		}
		rows = append(rows, durableRows(n, rates)...)
	}
	most := durableClients[len(durableClients)-1]
	raw, err := contest(b.rounds, b.turnAs(durable, most, false), b.turnAs(memory, most, false))
	if err != nil {
		return nil, err
	}
	return append(rows, rawDurableRows(raw)...), nil
}

// turnAs lets so many clients push, with net/http or from raw sockets.
func (b *bench) turnAs(t *target, clients int, web bool) func() (float64, error) {
	return func() (float64, error) {
		t.clients, t.web = clients, web
		return t.rate(b.duration)
	}
}

// durableRows compares many clients with memory alone. A single client waits for
// the disk, so it is compared with what the disk syncs.
func durableRows(n int, rates []float64) []row {
	onDisk := row{what: fmt.Sprintf("pushes/s answered when on disk, clients: %d", n), unit: perSecond, gateway: rates[0], ceiling: rates[2]}
	if n == durableClients[len(durableClients)-1] {
		onDisk.goals = []goal{atLeast("0.8 of memory alone", rates[0], 0.8, rates[1])}
	}
	rows := []row{
		onDisk,
		{what: "the same clients, memory alone", unit: perSecond, gateway: rates[1], ceiling: rates[3]},
		{what: "disk against memory", unit: factor, gateway: rates[0] / rates[1]},
	}
	if synced := rates[4]; synced > 0 {
		both := 1 / (1/rates[1] + 1/synced)
		rows = append(rows,
			row{what: "disk against bare appends that are synced", unit: factor, gateway: rates[0] / synced,
				goals: []goal{atLeast(fmt.Sprintf("0.5 of %s/s", digits(synced)), rates[0], 0.5, synced)}},
			row{what: "disk against a push in memory and such an append", unit: factor, gateway: rates[0] / both})
	}
	return rows
}

func rawDurableRows(rates []float64) []row {
	return []row{
		{what: "the same on disk, from raw sockets", unit: perSecond, gateway: rates[0]},
		{what: "the same in memory, from raw sockets", unit: perSecond, gateway: rates[1]},
		{what: "disk against memory, from raw sockets", unit: factor, gateway: rates[0] / rates[1]},
	}
}

// replays is how often the gateway is started with a full file.
const replays = 5

// measureReplay measures the start with a persistence file, until everything
// in it is served, and how large the file is.
func (b *bench) measureReplay(ctx context.Context) ([]row, error) {
	l := b.large()
	t, file, err := b.startDurable(ctx, l)
	if err != nil {
		return nil, err
	}
	t.stop()
	size, err := sizeOf(file)
	if err != nil {
		return nil, err
	}
	const listen = "--web.listen-address"
	times, err := contest(replays, startOf(ctx, b.gateway, listen, "--log.level=error", "--persistence.file="+file))
	if err != nil {
		return nil, err
	}
	many := inWords(l.series())
	return []row{
		{what: fmt.Sprintf("start with %s series on disk, until ready", many), unit: milliseconds, gateway: times[0],
			goals: []goal{within("0.4 s", times[0], 400)}},
		{what: "size of that file, per series", unit: bytesEach, gateway: size * 1e6 / float64(l.series())},
	}, nil
}
