package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// coldRounds is how often both gateways are started anew for cold pushes, and
	// warmRounds how often warm ones take turns.
	coldRounds = 3
	warmRounds = 5
	// warmPushes is how often each group has been pushed to before it is warm.
	warmPushes = 20
)

// sizes are two gateways, with few and many series of the same jobs.
type sizes struct{ small, large *target }

func (b *bench) startSizes(ctx context.Context, own bool) (s sizes, err error) {
	if s.small, err = b.startGateway(ctx, newUserLoad(fewSeries, own)); err != nil {
		return s, err
	}
	if s.large, err = b.startGateway(ctx, newUserLoad(b.series, own)); err != nil {
		s.small.stop()
	}
	return s, err
}

func (s sizes) stop() {
	s.small.stop()
	s.large.stop()
}

// measureCold measures the gateway's CPU time of the second push to each group
// of many, against that of as many pushes to few groups.
func (b *bench) measureCold(ctx context.Context) (rows []row, err error) {
	for _, own := range []bool{false, true} {
		var small, large []float64
		for range coldRounds {
			cost, err := b.coldPushes(ctx, own)
			if err != nil {
				return nil, err
			}
			small, large = append(small, cost[0]), append(large, cost[1])
		}
		what := "CPU of a gateway, second push to a group"
		if own {
			what += ", each with labels of its own"
		}
		rows = append(rows, b.sizeRows(what, median(small), median(large), 1.6)...)
	}
	return rows, nil
}

func (b *bench) coldPushes(ctx context.Context, own bool) (cost [2]float64, err error) {
	s, err := b.startSizes(ctx, own)
	if err != nil {
		return cost, err
	}
	defer s.stop()
	n := s.large.load.groups
	if cost[0], err = s.small.pushCPU(n); err == nil {
		cost[1], err = s.large.pushCPU(n)
	}
	return cost, err
}

// sizeRows are the CPU times of a push at both sizes, and their ratio.
func (b *bench) sizeRows(what string, small, large, most float64) []row {
	few, many, times := inWords(fewSeries), inWords(b.series), large/small
	return []row{
		{what: fmt.Sprintf("%s, %s series stored", what, few), unit: microseconds, gateway: small},
		{what: fmt.Sprintf("%s, %s series stored", what, many), unit: microseconds, gateway: large},
		{what: fmt.Sprintf("that at %s against %s", many, few), unit: factor, gateway: times,
			goals: []goal{within(fmt.Sprintf("×%g", most), times, most)}},
	}
}

// measureWarm measures the same once all groups have been pushed to often,
// alone and while somebody scrapes every second.
func (b *bench) measureWarm(ctx context.Context) (rows []row, err error) {
	s, err := b.startSizes(ctx, true)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	n := s.large.load.groups
	for _, t := range []*target{s.small, s.large} {
		if _, err := t.pushCPU(n * warmPushes); err != nil {
			return nil, err
		}
	}
	alone := func(t *target) (float64, error) { return t.pushCPU(2 * n) }
	scraped := func(t *target) (float64, error) { return t.scrapedCPU(3 * n) }
	cpu, err := contest(warmRounds, s.small.each(alone), s.large.each(alone), s.small.each(scraped), s.large.each(scraped))
	if err != nil {
		return nil, err
	}
	rows = b.sizeRows("CPU of a gateway, a push to a group pushed to often", cpu[0], cpu[1], 1.15)
	return append(rows, b.sizeRows("the same while scraped every second", cpu[2], cpu[3], 1.3)...), nil
}

func (t *target) each(f func(*target) (float64, error)) func() (float64, error) {
	return func() (float64, error) { return f(t) }
}

// pushCPU pushes a number of times and returns the processor time that the
// target took for each, in microseconds.
func (t *target) pushCPU(pushes int) (float64, error) {
	before, err := t.cpu()
	if err != nil {
		return 0, err
	}
	var sent atomic.Int64
	err = t.eachClient(func(c client) error {
		for sent.Add(1) <= int64(pushes) {
			if err := t.pushNext(c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	after, err := t.cpu()
	return float64((after - before).Microseconds()) / float64(pushes), err
}

// scrapedCPU is pushCPU while somebody scrapes the target every second. The time
// that as many scrapes take without pushes does not count.
func (t *target) scrapedCPU(pushes int) (float64, error) {
	before, err := t.cpu()
	if err != nil {
		return 0, err
	}
	ctx, end := context.WithCancel(context.Background())
	var scraping sync.WaitGroup
	var scrapes int
	var failed error
	scraping.Go(func() { scrapes, failed = t.scrapeEverySecond(ctx) })
	_, err = t.pushCPU(pushes)
	end()
	scraping.Wait() // the last scrape counts as a whole
	if err != nil || failed != nil {
		return 0, fmt.Errorf("pushes: %v; scrapes: %w", err, failed)
	}
	after, err := t.cpu()
	if err != nil {
		return 0, err
	}
	each, err := t.scrapeCPU()
	return (float64((after - before).Microseconds()) - each*float64(scrapes)) / float64(pushes), err
}

// scrapeEverySecond keeps nothing of the answers: copies of a hundred megabytes
// would take the target's place in the caches that both use.
func (t *target) scrapeEverySecond(ctx context.Context) (scrapes int, err error) {
	c, err := dial(t.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for ; ; scrapes++ {
		if _, err := c.do(textScrape, nil); err != nil {
			return scrapes, err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return scrapes + 1, nil
		}
	}
}

// scrapeCPU returns the processor time of a scrape without pushes, in
// microseconds.
func (t *target) scrapeCPU() (float64, error) {
	const scrapes = 3
	c, err := dial(t.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	before, err := t.cpu()
	if err != nil {
		return 0, err
	}
	for range scrapes {
		if _, err := c.do(textScrape, nil); err != nil {
			return 0, err
		}
	}
	after, err := t.cpu()
	return float64((after - before).Microseconds()) / scrapes, err
}
