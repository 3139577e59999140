package main

import (
	"context"
	"fmt"
	"os"
)

// groupRequests is how often the list of groups is asked for.
const groupRequests = 41

// measureGroups measures a page of the list of groups, each time after a
// push. Nobody else has such a list.
func (b *bench) measureGroups(ctx context.Context) ([]row, error) {
	t, err := b.startGateway(ctx, b.large())
	if err != nil {
		return nil, err
	}
	defer t.stop()
	s := &scraper{target: t}
	defer s.close()
	request := get("/api/v1/groups?limit=100")
	times, err := contest(groupRequests, func() (float64, error) { return s.scrape(request) })
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("GET /api/v1/groups?limit=100, %d groups", t.load.groups)
	return []row{{what: what, unit: milliseconds, gateway: times[0]}}, nil
}

// starts is how often each server is started.
const starts = 15

// measureStart measures the time from the start of a process that holds
// nothing yet, until it is ready.
func (b *bench) measureStart(ctx context.Context) ([]row, error) {
	const listen = "--web.listen-address"
	quiet := []string{"--log.level=error", "--persistence.file="}
	turns := []func() (float64, error){startOf(ctx, b.gateway, listen, quiet...), startOf(ctx, b.self, "-ceiling"), nil}
	if b.peer != "" {
		turns[2] = startOf(ctx, b.peer, listen, quiet...)
	}
	times, err := contest(starts, turns...)
	if err != nil {
		return nil, err
	}
	return []row{{what: "start, until ready", unit: milliseconds, gateway: times[0], ceiling: times[1], peer: times[2]}}, nil
}

func startOf(ctx context.Context, path, listen string, args ...string) func() (float64, error) {
	return func() (float64, error) {
		p, err := startProcess(ctx, path, listen, args...)
		if err != nil {
			return 0, err
		}
		p.stop()
		return float64(p.took.Nanoseconds()) / 1e6, nil
	}
}

// measureBinary measures the size of the binaries as they are shipped.
func (b *bench) measureBinary(context.Context) ([]row, error) {
	r := row{what: "binary, stripped", unit: megabytes}
	var err error
	if r.gateway, err = sizeOf(b.gateway); err != nil {
		return nil, err
	}
	if b.peer != "" {
		r.peer, err = sizeOf(b.peer)
	}
	r.goals = []goal{within("21 MB", r.gateway, 21)}
	return []row{r}, err
}

func sizeOf(path string) (float64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}
