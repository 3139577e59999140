package main

import (
	"context"
	"fmt"
)

// sumClients is how many clients add up at once.
const sumClients = 64

// newSumLoad has groups of a single counter each, to which pushes add.
func newSumLoad(groups int) *load {
	l := &load{groups: groups, each: 1, sums: true}
	for i := range variants {
		l.bodies = append(l.bodies, fmt.Sprintf("# TYPE etl_records_total counter\netl_records_total %d\n", 1+i))
	}
	return l
}

// measureSums measures pushes that add to one group, beside the same clients
// adding to a group each, in memory and on disk.
func (b *bench) measureSums(ctx context.Context) (rows []row, err error) {
	var rates [2][]float64
	for i, start := range []func(context.Context, *load) (*target, error){b.startGateway, b.startDurableGateway} {
		if rates[i], err = b.sumRates(ctx, start); err != nil {
			return nil, err
		}
	}
	return sumRows(rates[0], rates[1]), nil
}

func (b *bench) startDurableGateway(ctx context.Context, l *load) (*target, error) {
	t, _, err := b.startDurable(ctx, l)
	return t, err
}

// sumRates returns the sums a second into one group, and into one for each
// client.
func (b *bench) sumRates(ctx context.Context, start func(context.Context, *load) (*target, error)) ([]float64, error) {
	one, err := start(ctx, newSumLoad(1))
	if err != nil {
		return nil, err
	}
	defer one.stop()
	many, err := start(ctx, newSumLoad(sumClients))
	if err != nil {
		return nil, err
	}
	defer many.stop()
	return contest(b.rounds, b.turnAs(one, sumClients, false), b.turnAs(many, sumClients, false))
}

func sumRows(memory, disk []float64) []row {
	return []row{
		{what: fmt.Sprintf("sums/s into %d groups, clients: %[1]d", sumClients), unit: perSecond, gateway: memory[1]},
		{what: "the same into one group", unit: perSecond, gateway: memory[0]},
		{what: fmt.Sprintf("sums/s into %d groups, answered when on disk", sumClients), unit: perSecond, gateway: disk[1]},
		{what: "the same into one group", unit: perSecond, gateway: disk[0],
			goals: []goal{atLeast("half of many groups", disk[0], 0.5, disk[1])}},
	}
}
