package main

import (
	"context"
	"fmt"
)

// everyFormat are the scrapes after which memory is measured: whatever a
// server keeps for a format, it keeps by then.
func everyFormat() [][]byte {
	requests := [][]byte{textScrape, gzipScrape, protobufScrape, openMetricsScrape}
	for _, escaping := range []string{"underscores", "dots", "values", "allow-utf-8"} {
		accept := "Accept: text/plain;version=1.0.0;escaping=" + escaping
		requests = append(requests, get("/metrics", accept), get("/metrics", accept, "Accept-Encoding: zstd"))
	}
	return append(requests, get("/metrics", "Accept: "+protobuf, "Accept-Encoding: gzip"))
}

// measureMemory measures the resident memory of the whole process, and
// divides it by the number of series it holds.
func (b *bench) measureMemory(ctx context.Context) ([]row, error) {
	l := b.large()
	now := row{what: fmt.Sprintf("memory per series, with %s, all formats scraped", inWords(l.series())), unit: bytesEach}
	peak := row{what: "the same, at its highest", unit: bytesEach}
	var err error
	if now.gateway, peak.gateway, err = b.memoryOf(ctx, b.startGateway, l); err != nil {
		return nil, err
	}
	if b.peer != "" {
		now.peer, peak.peer, err = b.memoryOf(ctx, b.startPeer, l)
	}
	now.goals = []goal{within("400 B", now.gateway, 400)}
	return []row{now, peak}, err
}

// mostOfUser is what a series may take with labels as long as users have them,
// in bytes.
const mostOfUser = 380

// measureUserMemory measures the same for labels as long as users have them.
func (b *bench) measureUserMemory(ctx context.Context) ([]row, error) {
	l := newUserLoad(b.series, false)
	r := row{what: fmt.Sprintf("memory per series, with %s, labels as users have them", inWords(l.series())), unit: bytesEach}
	var err error
	r.gateway, _, err = b.memoryOf(ctx, b.startGateway, l)
	r.goals = []goal{within(fmt.Sprintf("%d B", mostOfUser), r.gateway, mostOfUser)}
	return []row{r}, err
}

// memoryOf measures right after the last scrape, without leaving time to give
// memory back.
func (b *bench) memoryOf(ctx context.Context, start starter, l *load) (now, peak float64, err error) {
	t, err := start(ctx, l)
	if err != nil {
		return 0, 0, err
	}
	defer t.stop()
	s := &scraper{target: t}
	defer s.close()
	for _, request := range everyFormat() {
		if _, err := s.scrape(request); err != nil {
			return 0, 0, err
		}
	}
	now, peak, err = t.memory()
	n := float64(l.series())
	return now / n, peak / n, err
}

// starter starts a target that holds a load.
type starter func(context.Context, *load) (*target, error)
