package main

import (
	"context"
	"fmt"
)

// turn is one round of pushes, as contest takes it; nil for no target.
func (b *bench) turn(t *target) func() (float64, error) {
	if t == nil {
		return nil
	}
	return func() (float64, error) { return t.rate(b.duration) }
}

// measurePush measures pushes against the ceiling, and against the peer as it
// is by default: by clients that use net/http, as jobs do, and by clients that
// cost next to nothing, and leave the server more of the machine.
func (b *bench) measurePush(ctx context.Context) ([]row, error) {
	l := b.middle()
	gateway, err := b.startGateway(ctx, l)
	if err != nil {
		return nil, err
	}
	defer gateway.stop()
	ceiling, err := b.startCeiling(ctx, l)
	if err != nil {
		return nil, err
	}
	defer ceiling.stop()
	raw, err := b.contestWithCeiling(gateway, ceiling, false)
	if err != nil {
		return nil, err
	}
	web, err := b.contestWithCeiling(gateway, ceiling, true)
	if err != nil {
		return nil, err
	}
	peer, err := b.checkingPeerRate(ctx, l)
	if err != nil {
		return nil, err
	}
	return pushRows(l, web, raw, peer), nil
}

func pushRows(l *load, web, raw []float64, peer float64) []row {
	r := row{what: fmt.Sprintf("pushes/s with %s series stored", inWords(l.series())), unit: perSecond, gateway: web[0], ceiling: web[1], peer: peer}
	r.goals = []goal{
		atLeast("half the ceiling", r.gateway, 0.5, r.ceiling),
		atLeast("over 1,000 × the peer", r.gateway, 1000, r.peer),
	}
	return []row{r, {what: "the same, from raw sockets", unit: perSecond, gateway: raw[0], ceiling: raw[1]}}
}

func (b *bench) contestWithCeiling(gateway, ceiling *target, web bool) ([]float64, error) {
	gateway.web, ceiling.web = web, web
	return contest(b.rounds, b.turn(gateway), b.turn(ceiling))
}

// checkingPeerRate is measured in one go: the peer answers a few pushes a
// second, and a short round would count none.
func (b *bench) checkingPeerRate(ctx context.Context, l *load) (float64, error) {
	if b.peer == "" {
		return 0, nil
	}
	peer, err := b.startCheckingPeer(ctx, l)
	if err != nil {
		return 0, err
	}
	defer peer.stop()
	peer.web = true
	return peer.rate(5 * b.duration)
}

// measureUncheckedPush measures pushes against the peer with its check
// switched off, while the gateway keeps checking.
func (b *bench) measureUncheckedPush(ctx context.Context) ([]row, error) {
	l := b.middle()
	gateway, err := b.startGateway(ctx, l)
	if err != nil {
		return nil, err
	}
	defer gateway.stop()
	var peer *target
	if b.peer != "" {
		if peer, err = b.startPeer(ctx, l); err != nil {
			return nil, err
		}
		defer peer.stop()
	}
	rates, err := contest(b.rounds, b.turn(gateway), b.turn(peer))
	if err != nil {
		return nil, err
	}
	r := row{what: "the same, the peer with its check switched off", unit: perSecond, gateway: rates[0], peer: rates[1]}
	r.goals = []goal{atLeast("over 3 × the peer", r.gateway, 3, r.peer)}
	return []row{r}, nil
}

// fewSeries is what the cost of a push at the full size is compared with.
const fewSeries = 1000

// measureGrowth measures what that which is stored makes of the cost of a push: the same
// clients push groups that exist already, where few and where many do.
func (b *bench) measureGrowth(ctx context.Context) ([]row, error) {
	few, many := newLoad(fewSeries), b.large()
	small, err := b.startGateway(ctx, few)
	if err != nil {
		return nil, err
	}
	defer small.stop()
	large, err := b.startGateway(ctx, many)
	if err != nil {
		return nil, err
	}
	defer large.stop()
	rates, err := contest(b.rounds, b.turn(small), b.turn(large))
	if err != nil {
		return nil, err
	}
	return growthRows(few, many, rates), nil
}

func growthRows(few, many *load, rates []float64) []row {
	cost := rates[0] / rates[1]
	small, large := inWords(few.series()), inWords(many.series())
	return []row{
		{what: fmt.Sprintf("pushes/s with %s series stored", small), unit: perSecond, gateway: rates[0]},
		{what: fmt.Sprintf("pushes/s with %s series stored", large), unit: perSecond, gateway: rates[1]},
		{what: fmt.Sprintf("cost of a push at %s series against %s", large, small), unit: factor, gateway: cost,
			goals: []goal{within("×1.3", cost, 1.3)}},
	}
}
