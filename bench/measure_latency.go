package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	latencyRounds = 5
	scrapeEvery   = 500 * time.Millisecond // while latencies are measured
	mostSpread    = 5                      // the 99th percentile against the median
)

// measureLatency measures how long pushes take at half of the gateway's highest
// rate, while the gateway is scraped, beside the ceiling at the same rate.
func (b *bench) measureLatency(ctx context.Context) ([]row, error) {
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
	if err := ceiling.serve(gateway, textScrape); err != nil {
		return nil, err
	}
	highest, err := contest(latencyRounds, b.turn(gateway))
	if err != nil {
		return nil, err
	}
	ours, theirs := &latency{target: gateway}, &latency{target: ceiling}
	if _, err := contest(latencyRounds, ours.turn(highest[0]/2, b.duration), theirs.turn(highest[0]/2, b.duration)); err != nil {
		return nil, err
	}
	half, most := median(ours.half), median(ours.most)
	return []row{
		{what: fmt.Sprintf("a push at half of the highest rate, scraped every %s: median", scrapeEvery), unit: milliseconds, gateway: half, ceiling: median(theirs.half)},
		{what: "the same, 99th percentile", unit: milliseconds, gateway: most, ceiling: median(theirs.most),
			goals: []goal{atMost(fmt.Sprintf("%d × the median", mostSpread), most, mostSpread, half)}},
	}, nil
}

// latency notes how long pushes take in each round, in ms.
type latency struct {
	*target
	half, most []float64
}

func (l *latency) turn(rate float64, d time.Duration) func() (float64, error) {
	return func() (float64, error) {
		stop := make(chan struct{})
		var scraping sync.WaitGroup
		var failed error
		scraping.Go(func() { failed = l.keepScraping(stop) })
		times, err := l.paced(rate, d)
		close(stop)
		scraping.Wait()
		l.half, l.most = append(l.half, quantile(times, 0.5)), append(l.most, quantile(times, 0.99))
		return 0, errors.Join(err, failed)
	}
}

// keepScraping scrapes with gzip, as Prometheus does, until stop is closed.
func (t *target) keepScraping(stop <-chan struct{}) error {
	c, err := dial(t.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(scrapeEvery):
		}
		if _, err := c.do(gzipScrape, nil); err != nil {
			return err
		}
	}
}

// paced pushes at a rate for a time, and returns how long the pushes took, in ms.
// A push that cannot start in time, because the one before takes too long, counts
// from when it should have started.
func (t *target) paced(rate float64, d time.Duration) ([]float64, error) {
	every := time.Duration(float64(t.clients) / rate * float64(time.Second))
	var mu sync.Mutex
	var all []float64
	begin := time.Now()
	err := t.eachClient(func(c client) error {
		var mine []float64
		for due := begin; due.Sub(begin) < d; due = due.Add(every) {
			from := due
			if time.Until(due) > 0 {
				time.Sleep(time.Until(due))
				from = time.Now() // the generator wakes up late, too
			}
			if err := t.pushNext(c); err != nil {
				return err
			}
			mine = append(mine, float64(time.Since(from).Nanoseconds())/1e6)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, mine...)
		return nil
	})
	return all, err
}

// quantile returns the value below which this part of all is.
func quantile(v []float64, part float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[int(part*float64(len(v)-1))]
}
