package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// cluster is two gateways that share their groups, the servers that keep them, and
// a gateway with a file, which is what the CPU of the others is compared with.
type cluster struct {
	*engine
	here, there *target // two members
	durable     *target
}

func (b *bench) startCluster(ctx context.Context, d disks) (c *cluster, err error) {
	c = &cluster{}
	if c.engine, err = b.startEngine(ctx, d); err != nil {
		return nil, err
	}
	l := b.middle()
	for _, t := range []**target{&c.here, &c.there} {
		if *t, err = b.startMember(ctx, c.engine, l); err != nil {
			c.stop()
			return nil, err
		}
	}
	if c.durable, _, err = b.startDurable(ctx, l); err == nil {
		err = c.copyMessage()
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (b *bench) startMember(ctx context.Context, e *engine, l *load) (*target, error) {
	args := []string{"--log.level=error", fmt.Sprint("--cluster.replicas=", engineServers), "--cluster.stream=" + clusterStream}
	for _, url := range e.urls {
		args = append(args, "--cluster.url="+url)
	}
	return b.start(ctx, kind{path: b.gateway, listen: "--web.listen-address", args: args}, l)
}

func (c *cluster) stop() {
	for _, t := range []*target{c.here, c.there, c.durable} {
		if t != nil {
			t.stop()
		}
	}
	c.engine.stop()
}

// clusterClients are numbers of clients. manyClients are so many that the processors
// bind.
var clusterClients = []int{1, 16}

const manyClients = 64

// measureCluster measures pushes to a member beside what the servers acknowledge
// for messages of the same size.
func (b *bench) measureCluster(ctx context.Context) ([]row, error) {
	return b.inCluster(ctx, asTheyAre, (*cluster).measureRates)
}

// measureClusterCPU measures the processor time of pushes to a member.
func (b *bench) measureClusterCPU(ctx context.Context) ([]row, error) {
	return b.inCluster(ctx, asTheyAre, (*cluster).measureCPU)
}

// measureClusterScrapes measures how soon the other member shows a push, and
// scrapes without the servers.
func (b *bench) measureClusterScrapes(ctx context.Context) ([]row, error) {
	return b.inCluster(ctx, asTheyAre, (*cluster).measureLag, (*cluster).measureOutage)
}

// inCluster measures rows with a new cluster.
func (b *bench) inCluster(ctx context.Context, d disks, measure ...func(*cluster, *bench) ([]row, error)) (rows []row, err error) {
	c, err := b.startCluster(ctx, d)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	for _, m := range measure {
		found, err := m(c, b)
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// measureRates measures pushes by few clients.
func (c *cluster) measureRates(b *bench) (rows []row, err error) {
	for _, n := range clusterClients {
		var uses [3]uses
		member := func() (float64, error) { return c.metered(b, &uses[0], b.turnAs(c.here, n, false)) }
		alone := func() (float64, error) { return c.metered(b, &uses[1], c.turn(n, b.duration)) }
		relayed := func() (float64, error) { return c.metered(b, &uses[2], c.relayed(b, n)) }
		rates, err := contest(b.rounds, member, alone, relayed)
		if err != nil {
			return nil, err
		}
		rows = append(rows, rateRows(n, rates, uses)...)
	}
	return rows, nil
}

// uses are what rounds have used: the processor time of all processes for each
// push, in microseconds, and the part of the cores that was idle.
type uses struct{ cpu, idle []float64 }

// rateRows are about pushes by n clients: the rates of a member, of the servers
// alone, and of those behind a bare HTTP server, and what these use.
func rateRows(n int, rates []float64, uses [3]uses) []row {
	cpu, idle := func(i int) float64 { return median(uses[i].cpu) }, func(i int) float64 { return median(uses[i].idle) }
	return []row{
		{what: fmt.Sprintf("pushes/s in a cluster, clients: %d (%s)", n, whatBinds(idle(0))), unit: perSecond, gateway: rates[0], ceiling: rates[1]},
		{what: "CPU of all processes for each", unit: microseconds, gateway: cpu(0), ceiling: cpu(1)},
		{what: "part of the cores that is idle", unit: part, gateway: idle(0), ceiling: idle(1)},
		{what: "the same, the ceiling behind a bare HTTP server", unit: perSecond, gateway: rates[0], ceiling: rates[2]},
		{what: "CPU of all processes for each", unit: microseconds, gateway: cpu(0), ceiling: cpu(2)},
	}
}

// What binds pushes is clear if less of the cores is idle than fewIdle, or more than
// manyIdle.
const fewIdle, manyIdle = 0.1, 0.5

// whatBinds says what binds pushes, by the part of the cores that is idle meanwhile.
func whatBinds(idle float64) string {
	switch {
	case idle < fewIdle:
		return "the cores bind"
	case idle > manyIdle:
		return "the sync binds"
	}
	return "neither the cores nor the sync clearly bind"
}

// metered runs a turn, and appends what it has used.
func (c *cluster) metered(b *bench, u *uses, run func() (float64, error)) (rate float64, err error) {
	idle, before, err := c.reading()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if rate, err = run(); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	idleThen, after, err := c.reading()
	u.cpu = append(u.cpu, microsecondsOf(after-before)/(rate*b.duration.Seconds()))
	u.idle = append(u.idle, (idleThen-idle).Seconds()/took.Seconds()/float64(runtime.NumCPU()))
	return rate, err
}

// reading returns for how long cores were idle, and the processor time that the
// processes have used.
func (c *cluster) reading() (idle, used time.Duration, err error) {
	if idle, err = idleTime(); err != nil {
		return 0, 0, err
	}
	used, err = c.cpu()
	return idle, used, err
}

// relayed lets clients push to the relay.
func (c *cluster) relayed(b *bench, clients int) func() (float64, error) {
	return func() (float64, error) {
		r, err := startRelay(c.engine, c.here.load)
		if err != nil {
			return 0, err
		}
		defer r.stop()
		return b.turnAs(r.target, clients, false)()
	}
}

// cpu returns the processor time of the members, the servers, and this process,
// which pushes.
func (c *cluster) cpu() (sum time.Duration, err error) {
	if sum, err = ownCPU(); err != nil {
		return 0, err
	}
	for _, f := range []func() (time.Duration, error){c.here.cpu, c.there.cpu, c.engine.cpu} {
		one, err := f()
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// measureCPU measures the processor time of a push by many clients.
func (c *cluster) measureCPU(b *bench) ([]row, error) {
	var rates, servers []float64
	push := func(t *target, engine bool) func() (float64, error) {
		turn := b.turnAs(t, manyClients, false)
		return func() (float64, error) {
			before, err := t.cpu()
			if err != nil {
				return 0, err
			}
			serversBefore, err := c.engine.cpu()
			if err != nil {
				return 0, err
			}
			first := t.next.Load()
			rate, err := turn()
			if err != nil {
				return 0, err
			}
			pushes := float64(t.next.Load() - first)
			after, err := t.cpu()
			if err != nil {
				return 0, err
			}
			serversAfter, err := c.engine.cpu()
			if engine {
				rates, servers = append(rates, rate), append(servers, microsecondsOf(serversAfter-serversBefore)/pushes)
			}
			return microsecondsOf(after-before) / pushes, err
		}
	}
	each, err := contest(b.rounds, push(c.here, true), push(c.durable, false))
	if err != nil {
		return nil, err
	}
	return []row{
		{what: fmt.Sprintf("pushes/s in a cluster, clients: %d", manyClients), unit: perSecond, gateway: median(rates)},
		{what: "CPU of the gateway for each", unit: microseconds, gateway: each[0], goals: []goal{atMost("1.3 × with a file", each[0], 1.3, each[1])}},
		{what: "CPU of the gateway for each, with a file", unit: microseconds, gateway: each[1]},
		{what: "CPU of the three servers for each", unit: microseconds, gateway: median(servers)},
	}, nil
}

func microsecondsOf(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// lags is how many pushes are awaited in the scrapes of the other member.
const lags = 300

// measureLag measures how long after its answer a push is in a scrape of the
// other member, at worst for one in a hundred.
func (c *cluster) measureLag(*bench) ([]row, error) {
	var all []float64
	for n := range lags {
		lag, err := c.lag(n)
		if err != nil {
			return nil, err
		}
		all = append(all, float64(lag.Nanoseconds())/1e6)
	}
	slices.Sort(all)
	worst := all[len(all)*99/100]
	return []row{{what: "from an answer to the scrapes of the other member, p99", unit: milliseconds, gateway: worst, goals: []goal{within("100 ms", worst, 100)}}}, nil
}

func (c *cluster) lag(n int) (time.Duration, error) {
	body := fmt.Sprintf("lag %d\n", n+1)
	if _, err := c.here.fetch(fmt.Appendf(nil, "PUT /metrics/job/lag HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)); err != nil {
		return 0, err
	}
	begin, want := time.Now(), []byte(fmt.Sprintf("\nlag{instance=\"\",job=\"lag\"} %d\n", n+1))
	for time.Since(begin) < patience {
		asked := time.Now()
		text, err := c.there.fetch(textScrape)
		if err != nil {
			return 0, err
		}
		if bytes.Contains(text, want) {
			return asked.Sub(begin), nil
		}
	}
	return 0, fmt.Errorf("the other member does not show %q", strings.TrimSpace(string(want)))
}

// noticed is how long a member takes to find out that the servers hang.
const noticed = 12 * time.Second

// measureOutage measures scrapes with the servers, while they hang, and without. A
// gateway with a file is scraped in turn: by what its scrapes get slower, the
// machine does.
func (c *cluster) measureOutage(*bench) ([]row, error) {
	scrapeOf := func(t *target) func() (float64, error) {
		return func() (float64, error) {
			begin := time.Now()
			_, err := t.fetch(textScrape)
			return float64(time.Since(begin).Nanoseconds()) / 1e6, err
		}
	}
	var times [3][]float64
	for i, change := range []func(){func() {}, func() { c.engine.pause(); time.Sleep(noticed) }, func() { c.engine.resume(); c.engine.stop() }} {
		change()
		var err error
		if times[i], err = contest(scrapes, scrapeOf(c.here), scrapeOf(c.durable)); err != nil {
			return nil, err
		}
	}
	rows := []row{{what: "scrape of a member", unit: milliseconds, gateway: times[0][0]}}
	for i, what := range []string{"scrape of a member while the servers hang", "scrape of a member while no server runs"} {
		now, before := times[i+1], times[0]
		rows = append(rows, row{what: what, unit: milliseconds, gateway: now[0],
			goals: []goal{atMost("1.2 × with servers", now[0]/now[1], 1.2, before[0]/before[1])}})
	}
	return rows, nil
}

// cpu returns the processor time that the target has used.
func (t *target) cpu() (time.Duration, error) { return processCPU(t.cmd.Process.Pid) }
