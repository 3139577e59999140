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

// packedScrape is a compressed scrape, with the same one without compression.
type packedScrape struct {
	coding         string
	packed, source []byte
}

func (b *bench) measureChangedGzip(ctx context.Context) ([]row, error) {
	return b.measureChanged(ctx, packedScrape{"gzip", gzipScrape, textScrape})
}

func (b *bench) measureChangedZstd(ctx context.Context) ([]row, error) {
	return b.measureChanged(ctx, packedScrape{"zstd", zstdScrape, textScrape})
}

func (b *bench) measureChangedProtobuf(ctx context.Context) ([]row, error) {
	return b.measureChanged(ctx, packedScrape{"protobuf with gzip", protobufGzipScrape, protobufScrape})
}

// measureChanged measures compressed scrapes of the large load after some of its
// groups have changed, beside scrapes as text, and beside a ceiling that
// compresses all of it at once.
func (b *bench) measureChanged(ctx context.Context, p packedScrape) ([]row, error) {
	l := b.large()
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
	if err := ceiling.serve(gateway, p.source); err != nil {
		return nil, err
	}
	c := &changes{packedScrape: p, gateway: &scraper{target: gateway}, ceiling: &scraper{target: ceiling}, packed: make([][]float64, len(changedGroups))}
	defer c.gateway.close()
	defer c.ceiling.close()
	c.gateway.becomeWeb()
	c.ceiling.becomeWeb()
	random := rand.New(rand.NewPCG(1, 2))
	for range changedRounds {
		if err := c.round(random); err != nil {
			return nil, err
		}
	}
	return c.rows(), nil
}

// changes are the times of scrapes, in milliseconds.
type changes struct {
	packedScrape
	gateway, ceiling *scraper
	packed           [][]float64 // for each of changedGroups
	text, whole      []float64
	sizes            [2]float64 // MB, of the gateway and of the ceiling
}

func (c *changes) round(random *rand.Rand) error {
	for i, changed := range changedGroups {
		if err := c.gateway.pushSome(random, c.gateway.load.groups*changed.share/1000); err != nil {
			return err
		}
		if err := timeInto(&c.packed[i], c.gateway, c.packedScrape.packed); err != nil {
			return err
		}
	}
	c.sizes[0] = c.gateway.size
	if err := timeInto(&c.whole, c.ceiling, c.packedScrape.packed); err != nil {
		return err
	}
	c.sizes[1] = c.ceiling.size
	ms, err := c.gateway.scrape(textScrape)
	c.text = append(c.text, ms)
	return err
}

func timeInto(times *[]float64, s *scraper, request []byte) error {
	ms, err := s.timed(request)
	*times = append(*times, ms)
	return err
}

func (c *changes) rows() (rows []row) {
	for i, changed := range changedGroups {
		r := row{what: fmt.Sprintf("scrape of %s series, %s, after %g %% of the groups changed", inWords(c.gateway.load.series()), c.coding, float64(changed.share)/10), unit: milliseconds, gateway: median(c.packed[i])}
		over := row{what: "that ÷ the scrape as text", unit: factor, gateway: r.gateway / median(c.text)}
		if changed.most > 0 {
			over.goals = []goal{within(fmt.Sprintf("×%g", changed.most), over.gateway, changed.most)}
		} else {
			r.ceiling = median(c.whole)
			r.goals = []goal{atMost("1.1 times the whole compressed at once", r.gateway, 1.1, r.ceiling)}
		}
		rows = append(rows, r, over)
	}
	size := row{what: "its size, " + c.coding, unit: megabytes, gateway: c.sizes[0], ceiling: c.sizes[1]}
	size.goals = []goal{atMost("1.05 times the whole compressed at once", size.gateway, 1.05, size.ceiling)}
	return append(rows, size)
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
