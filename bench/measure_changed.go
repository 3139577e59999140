package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// changedRounds is how often the large load is scraped in each way.
const changedRounds = 7

// changedGroups are the parts of all groups that are pushed to before compressed
// scrapes, in turn, with what the last of these scrapes may take, in scrapes as
// text. It is the only one that is measured: how the gateway divides what it
// compresses depends on how much changed before earlier scrapes.
var changedGroups = []struct {
	what    string
	share   int // per mille
	scrapes int
	most    float64 // 0 if there is no goal
}{
	{"after 100 % of the groups changed", 1000, 1, 0},
	{"the first after that, after 1 % changed", 10, 1, 0},
	{"after 1 % of the groups changed, as before each of the 5 scrapes before", 10, 5, 1.1},
	{"after 0.2 % of the groups changed", 2, 1, 0.5},
}

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
	c, stop, err := b.startChanges(ctx, p, b.large())
	if err != nil {
		return nil, err
	}
	defer stop()
	random := rand.New(rand.NewPCG(1, 2))
	for range changedRounds {
		if err := c.round(random); err != nil {
			return nil, err
		}
	}
	different, err := b.measureDifferent(ctx, p)
	return append(c.rows(), different...), err
}

// measureDifferent measures scrapes after everything changed where each group has
// values of its own. In the large load they repeat soon, which only a wide window
// finds.
func (b *bench) measureDifferent(ctx context.Context, p packedScrape) ([]row, error) {
	l := newDifferentLoad(b.series)
	c, stop, err := b.startChanges(ctx, p, l)
	if err != nil {
		return nil, err
	}
	defer stop()
	turn := 0
	push := func() error {
		turn++
		return c.gateway.pushAll(turn)
	}
	for range changedRounds {
		if err := c.everything(push); err != nil {
			return nil, err
		}
		c.sizes[0] = c.gateway.size
		if err := c.compressWhole(); err != nil {
			return nil, err
		}
	}
	what := fmt.Sprintf("scrape of %s series, %s, each group with values of its own, after all changed", inWords(l.series()), p.coding)
	return append(c.allChanged(row{what: what, unit: milliseconds, gateway: median(c.packed[0].time)}), c.sizeRow("its size, "+p.coding, c.sizes[0], c.sizes[1])), nil
}

// changes are the costs of scrapes.
type changes struct {
	packedScrape
	gateway, ceiling *scraper
	packed           []costs // of the gateway, for each of changedGroups
	plain            costs   // of the gateway, not compressed, after everything changed
	whole, page      costs   // of the ceiling, compressed and not
	text             []float64
	sizes            [2]float64 // MB, of the gateway and of the ceiling
}

// costs are the time and the server's CPU time of scrapes, in milliseconds.
type costs struct{ time, cpu []float64 }

func (b *bench) startChanges(ctx context.Context, p packedScrape, l *load) (c *changes, stop func(), err error) {
	gateway, err := b.startGateway(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	ceiling, err := b.startCeiling(ctx, l)
	if err != nil {
		gateway.stop()
		return nil, nil, err
	}
	c = &changes{packedScrape: p, gateway: &scraper{target: gateway}, ceiling: &scraper{target: ceiling}, packed: make([]costs, len(changedGroups))}
	c.gateway.becomeWeb()
	c.ceiling.becomeWeb()
	stop = func() {
		c.gateway.close()
		c.ceiling.close()
		gateway.stop()
		ceiling.stop()
	}
	if err := ceiling.serve(gateway, p.source); err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

// round scrapes in each way.
func (c *changes) round(random *rand.Rand) error {
	groups := c.gateway.load.groups
	push := func(share int) error { return c.gateway.pushSome(random, groups*share/1000) }
	if err := c.everything(func() error { return push(changedGroups[0].share) }); err != nil {
		return err
	}
	for i, changed := range changedGroups[1:] {
		var last costs
		for range changed.scrapes {
			last = costs{}
			if err := push(changed.share); err != nil {
				return err
			}
			if err := last.add(c.gateway, c.packedScrape.packed); err != nil {
				return err
			}
		}
		c.packed[1+i].append(last)
	}
	c.sizes[0] = c.gateway.size
	if err := c.compressWhole(); err != nil {
		return err
	}
	ms, err := c.gateway.scrape(textScrape)
	c.text = append(c.text, ms)
	return err
}

// everything scrapes with and without compression, each time after push has
// changed all groups.
func (c *changes) everything(push func() error) error {
	if err := push(); err != nil {
		return err
	}
	if err := c.plain.add(c.gateway, c.source); err != nil {
		return err
	}
	if err := push(); err != nil {
		return err
	}
	return c.packed[0].add(c.gateway, c.packedScrape.packed)
}

// compressWhole scrapes the ceiling with and without compression. It serves what
// the gateway answers.
func (c *changes) compressWhole() error {
	if err := c.ceiling.serve(c.gateway.target, c.source); err != nil {
		return err
	}
	// The ceiling still collects what it served before.
	if _, err := c.ceiling.timed(c.source); err != nil {
		return err
	}
	if err := c.page.add(c.ceiling, c.source); err != nil {
		return err
	}
	if err := c.whole.add(c.ceiling, c.packedScrape.packed); err != nil {
		return err
	}
	c.sizes[1] = c.ceiling.size
	return nil
}

// append adds other costs.
func (c *costs) append(others costs) {
	c.time = append(c.time, others.time...)
	c.cpu = append(c.cpu, others.cpu...)
}

// add scrapes.
func (c *costs) add(s *scraper, request []byte) error {
	before, err := processCPU(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	ms, err := s.timed(request)
	if err != nil {
		return err
	}
	after, err := processCPU(s.cmd.Process.Pid)
	c.time = append(c.time, ms)
	c.cpu = append(c.cpu, float64((after - before).Milliseconds()))
	return err
}

func (c *changes) rows() (rows []row) {
	for i, changed := range changedGroups {
		r := row{what: fmt.Sprintf("scrape of %s series, %s, %s", inWords(c.gateway.load.series()), c.coding, changed.what), unit: milliseconds, gateway: median(c.packed[i].time)}
		if changed.share == 1000 {
			rows = append(rows, c.allChanged(r)...)
			continue
		}
		over := row{what: "that ÷ the scrape as text", unit: factor, gateway: r.gateway / median(c.text)}
		if changed.most > 0 {
			over.goals = []goal{within(fmt.Sprintf("×%g", changed.most), over.gateway, changed.most)}
		}
		rows = append(rows, r, over)
	}
	return append(rows, c.sizeRow("its size, "+c.coding, c.sizes[0], c.sizes[1]))
}

// allChanged returns the rows of scrapes after everything changed. They are to take
// no longer than if the whole were compressed at once, which itself takes at least
// as long as the scrape without compression and as compression alone. The
// ceiling's CPU time of compression is what its scrape takes more than one without;
// it is added to that of the gateway's scrape without, because a difference of two
// such figures is small beside what they vary.
func (c *changes) allChanged(r row) []row {
	r.ceiling = max(median(c.plain.time), median(c.whole.time))
	r.goals = []goal{atMost("the longer of two: not compressed, and the whole compressed at once", r.gateway, 1, r.ceiling)}
	work := row{what: "its server CPU", unit: milliseconds,
		gateway: median(c.packed[0].cpu), ceiling: median(c.plain.cpu) + median(c.whole.cpu) - median(c.page.cpu)}
	work.goals = []goal{atMost("not compressed, and the whole compressed at once", work.gateway, 1, work.ceiling)}
	return []row{r, work}
}

func (c *changes) sizeRow(what string, gateway, ceiling float64) row {
	return row{what: what, unit: megabytes, gateway: gateway, ceiling: ceiling,
		goals: []goal{atMost("1.05 times the whole compressed at once", gateway, 1.05, ceiling)}}
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

// pushAll pushes to all groups. In another turn, each gets another body.
func (s *scraper) pushAll(turn int) error {
	if err := s.connect(); err != nil {
		return err
	}
	for n := range s.load.groups {
		if err := s.push(s.pushes, n+s.load.groups*turn); err != nil {
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
