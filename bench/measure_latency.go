package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	latencyRounds = 5
	scrapeEvery   = 500 * time.Millisecond // while latencies are measured
	mostSpread    = 5                      // the 99th percentile against the median
)

// measureLatency measures how long pushes take at half of the gateway's highest
// rate, with and without scrapes, beside the ceiling at the same rate.
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
	alone := [2]*latency{{target: gateway}, {target: ceiling}}
	scraped := [2]*latency{{target: gateway, scraped: true}, {target: ceiling, scraped: true}}
	var turns []func() (float64, error)
	for _, l := range slices.Concat(alone[:], scraped[:]) {
		turns = append(turns, l.turn(highest[0]/2, b.duration))
	}
	if _, err := contest(latencyRounds, turns...); err != nil {
		return nil, err
	}
	rows := append(latencyRows("a push at half of the highest rate", alone), latencyRows(fmt.Sprintf("the same while scraped every %s", scrapeEvery), scraped)...)
	half, most := rows[2].gateway, &rows[3]
	most.goals = []goal{atMost(fmt.Sprintf("%d × the median", mostSpread), most.gateway, mostSpread, half)}
	return rows, nil
}

// latencyRows are the median and the 99th percentile of the gateway and of the
// ceiling.
func latencyRows(what string, of [2]*latency) []row {
	return []row{
		{what: what + ": median", unit: milliseconds, gateway: median(of[0].half), ceiling: median(of[1].half)},
		{what: what + ": 99th percentile", unit: milliseconds, gateway: median(of[0].most), ceiling: median(of[1].most)},
	}
}

// latency notes how long pushes take in each round, in ms.
type latency struct {
	*target
	scraped    bool // meanwhile
	half, most []float64
}

// turn has all clients on one processor. With more they would take as much of the
// machine as the target once pushes wait, and it could hardly catch up.
func (l *latency) turn(rate float64, d time.Duration) func() (float64, error) {
	return func() (float64, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		stop := make(chan struct{})
		var scraping sync.WaitGroup
		var failed error
		if l.scraped {
			scraping.Go(func() { failed = l.keepScraping(stop) })
		}
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
// The clients begin one after the other, evenly over the time between two pushes of
// one of them: jobs know nothing of each other. A push that cannot start in time,
// because the one before takes too long, counts from when it should have started.
func (t *target) paced(rate float64, d time.Duration) ([]float64, error) {
	every := time.Duration(float64(t.clients) / rate * float64(time.Second))
	var mu sync.Mutex
	var all []float64
	var nth atomic.Int64
	var start sync.Once
	var begin time.Time
	err := t.eachClient(func(c client) error {
		start.Do(func() { begin = time.Now() })
		first := begin.Add(every * time.Duration(nth.Add(1)-1) / time.Duration(t.clients))
		mine, err := t.pushEach(c, first, every, d)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, mine...)
		return err
	})
	return all, err
}

// pushEach is what one client of paced does.
func (t *target) pushEach(c client, first time.Time, every, d time.Duration) (times []float64, err error) {
	for due := first; due.Sub(first) < d; due = due.Add(every) {
		from := due
		if time.Until(due) > 0 {
			time.Sleep(time.Until(due))
			from = time.Now() // the generator wakes up late, too
		}
		if err := t.pushNext(c); err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(from).Nanoseconds())/1e6)
	}
	return times, nil
}

// quantile returns the value below which this part of all is.
func quantile(v []float64, part float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[int(part*float64(len(v)-1))]
}
