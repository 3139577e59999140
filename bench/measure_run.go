package main

import (
	"context"
	"os/exec"
	"time"
)

// runs is how often a command is run each way.
const runs = 41

// measureRun measures what `pushgateway run` adds to a command that does
// nothing, where the gateway is on the same machine, and where there is none.
func (b *bench) measureRun(ctx context.Context) ([]row, error) {
	gateway, err := startProcess(ctx, b.gateway, "--web.listen-address", "--log.level=error", "--persistence.file=")
	if err != nil {
		return nil, err
	}
	defer gateway.stop()
	nobody, err := freeAddress()
	if err != nil {
		return nil, err
	}
	under := func(addr string) func() (float64, error) {
		return timedCommand(ctx, b.gateway, "run", "--job=bench", "--quiet", "--retry=0s", "--url=http://"+addr, "--", "true")
	}
	times, err := contest(runs, timedCommand(ctx, "true"), under(gateway.addr), under(nobody))
	if err != nil {
		return nil, err
	}
	return []row{
		{what: "added to `true` by pushgateway run", unit: milliseconds, gateway: times[1] - times[0]},
		{what: "the same without a gateway", unit: milliseconds, gateway: times[2] - times[0]},
	}, nil
}

// timedCommand runs a command to its end.
func timedCommand(ctx context.Context, name string, args ...string) func() (float64, error) {
	return func() (float64, error) {
		begin := time.Now()
		err := exec.CommandContext(ctx, name, args...).Run()
		return float64(time.Since(begin).Nanoseconds()) / 1e6, err
	}
}
