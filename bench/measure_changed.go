package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// changedRounds is how often the large load is scraped in each way.
const changedRounds = 9

// changedGroups are the parts of all groups that are pushed to before a
// compressed scrape, per mille, with what the scrape may take, in scrapes as
// text.
var changedGroups = []struct {
	share int
	most  float64 // 0 if there is no goal
}{{1000, 0}, {10, 1.1}, {2, 0.5}}

func (b *bench) measureChangedGzip(ctx context.Context) ([]row, error) {
	return b.measureChanged(ctx, "gzip", gzipScrape)
}

func (b *bench) measureChangedZstd(ctx context.Context) ([]row, error) {
	return b.measureChanged(ctx, "zstd", zstdScrape)
}

func (b *bench) measureChangedProtobuf(ctx context.Context) ([]row, error) {
	return b.measureChanged(ctx, "protobuf with gzip", protobufGzipScrape)
}

// measureChanged measures compressed scrapes of the large load after some of its
// groups have changed, beside scrapes as text.
func (b *bench) measureChanged(ctx context.Context, coding string, request []byte) ([]row, error) {
	t, err := b.startGateway(ctx, b.large())
	if err != nil {
		return nil, err
	}
	defer t.stop()
	s := &scraper{target: t}
	defer s.close()
	s.becomeWeb()
	return s.scrapeChanged(coding, request)
}

func (s *scraper) scrapeChanged(coding string, request []byte) (rows []row, err error) {
	random := rand.New(rand.NewPCG(1, 2))
	packed := make([][]float64, len(changedGroups))
	var text []float64
	for range changedRounds {
		for i, changed := range changedGroups {
			if err := s.pushSome(random, s.load.groups*changed.share/1000); err != nil {
				return nil, err
			}
			ms, err := s.timed(request)
			if err != nil {
				return nil, err
			}
			packed[i] = append(packed[i], ms)
		}
		ms, err := s.scrape(textScrape)
		if err != nil {
			return nil, err
		}
		text = append(text, ms)
	}
	for i, changed := range changedGroups {
		r := row{what: fmt.Sprintf("scrape of %s series, %s, after %g %% of the groups changed", inWords(s.load.series()), coding, float64(changed.share)/10), unit: milliseconds, gateway: median(packed[i])}
		over := row{what: "that ÷ the scrape as text", unit: factor, gateway: r.gateway / median(text)}
		if changed.most > 0 {
			over.goals = []goal{within(fmt.Sprintf("×%g", changed.most), over.gateway, changed.most)}
		}
		rows = append(rows, r, over)
	}
	return rows, nil
}

// pushSome pushes to some groups, which are anywhere among all.
func (s *scraper) pushSome(random *rand.Rand, groups int) error {
	if err := s.connect(); err != nil {
		return err
	}
	for _, n := range random.Perm(s.load.groups)[:groups] {
		if err := s.push(s.pushes, n+s.load.groups*random.IntN(variants)); err != nil {
			return err
		}
	}
	return nil
}

// timed scrapes without a push before.
func (s *scraper) timed(request []byte) (ms float64, err error) {
	begin := time.Now()
	size, err := s.reads.read(request)
	s.size = float64(size) / 1e6
	return float64(time.Since(begin).Nanoseconds()) / 1e6, err
}
