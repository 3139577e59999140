package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// longestPush is what a push may take while many groups end, in ms.
	longestPush = 100
	// linear is how much longer a group may take to end if there are ten times as
	// many.
	linear = 1.5
	// inBody is how many groups one request makes.
	inBody = 250
	// pilot is which part of the groups is made first, to see how long all take.
	pilot = 10
	// margin is how much longer each of the others may take.
	margin = 2
)

// ending is what it took until many groups were gone.
type ending struct {
	visible float64 // until no answer has them, in ms
	scraped float64 // until the end of a scrape that began as they ended
	full    float64 // a scrape with all of them, before
	stored  float64 // until the file has none of them
	idle    wait    // before
	longest wait    // meanwhile
}

// wait is the longest push to the gateway, in ms, and the longest one of a client
// that pushed to the ceiling at the same time.
type wait struct{ gateway, ceiling float64 }

// measureExpiry measures how long it takes until groups are gone that all end at
// the same moment, and how long pushes to other groups wait meanwhile.
func (b *bench) measureExpiry(ctx context.Context) (rows []row, err error) {
	few, many, disk := ending{}, ending{}, ending{}
	if few, err = b.expireMany(ctx, b.startGateway, b.series/10); err != nil {
		return nil, err
	}
	if many, err = b.expireMany(ctx, b.startGateway, b.series); err != nil {
		return nil, err
	}
	if disk, err = b.expireMany(ctx, b.startDurableGateway, b.series); err != nil {
		return nil, err
	}
	first := row{what: fmt.Sprintf("GET /api/v1/groups as %s groups end at once", inWords(b.series/10)), unit: milliseconds, gateway: few.visible}
	all := row{what: fmt.Sprintf("the same, %s groups", inWords(b.series)), unit: milliseconds, gateway: many.visible,
		goals: []goal{atMost(fmt.Sprintf("%g × as long for each group", linear), many.visible, 10*linear, few.visible)}}
	rows = append([]row{first, all, {what: "GET /metrics at the same moment", unit: milliseconds, gateway: many.scraped},
		{what: "GET /metrics before, with all groups", unit: milliseconds, gateway: many.full}}, many.pushes()...)
	rows = append(rows, row{what: fmt.Sprintf("%s groups on disk end at once, until no answer has them", inWords(b.series)), unit: milliseconds, gateway: disk.visible},
		row{what: "the same, until the file has none of them", unit: milliseconds, gateway: disk.stored})
	return append(rows, disk.pushes()...), nil
}

// pushes are the rows about pushes beside.
func (e ending) pushes() []row {
	return []row{
		{what: "longest push meanwhile", unit: milliseconds, gateway: e.longest.gateway, ceiling: e.longest.ceiling,
			goals: []goal{within(fmt.Sprintf("%d ms", longestPush), e.longest.gateway, longestPush)}},
		{what: "longest push in 2 s before", unit: milliseconds, gateway: e.idle.gateway, ceiling: e.idle.ceiling},
	}
}

func (b *bench) expireMany(ctx context.Context, start starter, groups int) (e ending, err error) {
	t, err := start(ctx, newSmallLoad(clients))
	if err != nil {
		return e, err
	}
	defer t.stop()
	const before = 4 * time.Second // to look at pushes
	const scrape = 4 * time.Second
	begin := time.Now()
	if err := t.fillMany(groups/pilot, nil); err != nil {
		return e, err
	}
	end := time.Now().Add(time.Duration(margin*pilot*float64(time.Since(begin))) + scrape + before + time.Second)
	if err := t.fillMany(groups, &end); err != nil {
		return e, err
	}
	if err := <-t.scrapeMeanwhile(time.Now(), &e.full); err != nil {
		return e, err
	}
	if time.Until(end) < before {
		return e, fmt.Errorf("making %d groups took longer than planned", groups)
	}
	time.Sleep(time.Until(end) - before)
	return e, b.ends(ctx, t, &e, func(beside *bystander) error { return t.expires(&e, end, groups, beside) })
}

// expires waits until all groups have ended, and nothing has them any more.
func (t *target) expires(e *ending, end time.Time, groups int, beside *bystander) error {
	before, err := t.stored(beside)
	if err != nil {
		return err
	}
	time.Sleep(time.Until(end))
	scrape := t.scrapeMeanwhile(end, &e.scraped)
	if e.visible, err = t.emptied(end); err == nil && before > 0 {
		e.stored, err = t.erased(end, before+groups, beside)
	}
	return errors.Join(err, <-scrape)
}

// scrapeMeanwhile scrapes once meanwhile, and gives the time from a moment to the end
// of the answer, in ms.
func (t *target) scrapeMeanwhile(since time.Time, ms *float64) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := t.discard(textScrape)
		*ms = float64(time.Since(since).Nanoseconds()) / 1e6
		done <- err
	}()
	return done
}

// ends measures pushes for 2 s, and then while groups end, beside pushes to the
// ceiling.
func (b *bench) ends(ctx context.Context, t *target, e *ending, all func(*bystander) error) error {
	ceiling, err := b.startCeiling(ctx, newSmallLoad(clients))
	if err != nil {
		return err
	}
	defer ceiling.stop()
	control, err := ceiling.beside(controls)
	if err != nil {
		return err
	}
	beside, err := t.beside(bystanders)
	if err != nil {
		return errors.Join(err, control.stop())
	}
	longest := func() wait { return wait{beside.since(), control.since()} }
	time.Sleep(500 * time.Millisecond) // until all its groups are there
	longest()
	time.Sleep(2 * time.Second)
	e.idle = longest()
	err = all(beside)
	e.longest = longest()
	return errors.Join(err, beside.stop(), control.stop())
}

// fillMany makes so many small groups, in few requests. They end at the same
// moment, if one is given.
func (t *target) fillMany(groups int, end *time.Time) error {
	var next atomic.Int64
	return t.eachClient(func(c client) error {
		for {
			n := int(next.Add(inBody)) - inBody
			if n >= groups {
				return nil
			}
			if err := c.(*conn).pushMany(n, min(n+inBody, groups), end); err != nil {
				return err
			}
		}
	})
}

// pushMany makes the groups from one number up to another.
func (c *conn) pushMany(from, to int, end *time.Time) error {
	body := []byte("# TYPE etl_success_timestamp_seconds gauge\n")
	for n := from; n < to; n++ {
		body = fmt.Appendf(body, "etl_success_timestamp_seconds{job=\"bench\",instance=\"i-%d\"} 1760000000\n", n)
	}
	life := ""
	if end != nil {
		life = "&ttl=" + time.Until(*end).String()
	}
	c.send = fmt.Appendf(c.send[:0], "POST /api/v1/push?group_by=job,instance%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", life, contentType, len(body), body)
	_, err := c.do(c.send, nil)
	return err
}

// stored returns how many groups the file has taken, ended ones included, apart
// from those of pushes beside. It returns 0 if there is no file.
func (t *target) stored(beside *bystander) (int, error) {
	text, err := t.fetch(get("/-/metrics")) // a scrape would make pushes wait
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(text, []byte("\npushgateway_journal_commit_changes_sum "))
	if !found {
		return 0, nil
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	changes, err := strconv.ParseFloat(string(line), 64)
	return int(changes) - int(beside.pushed.Load()), err
}

// erased waits until the file has no group any more that has ended, and gives the
// time since then. It gives 0 if there is no file.
func (t *target) erased(since time.Time, want int, beside *bystander) (ms float64, err error) {
	for time.Since(since) < patience {
		now, err := t.stored(beside)
		if err != nil || now == 0 {
			return 0, err
		}
		if now >= want-bystanders {
			return float64(time.Since(since).Nanoseconds()) / 1e6, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("the file has groups %s after their end", patience)
}
