package main

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

const (
	// mortals are the groups that end by themselves.
	mortals = 100_000
	// wiped are the groups that one request deletes.
	wiped = 5000
	// lifecycleRounds is how often groups are made to end.
	lifecycleRounds = 3
)

// measureDeadlines measures what it costs a push that groups have deadlines,
// each another one, and that it gives its group a new one.
func (b *bench) measureDeadlines(ctx context.Context) ([]row, error) {
	without, with := newSmallLoad(mortals), newSmallLoad(mortals)
	with.ttl = ownDeadline
	plain, err := b.startGateway(ctx, without)
	if err != nil {
		return nil, err
	}
	defer plain.stop()
	mortal, err := b.startGateway(ctx, with)
	if err != nil {
		return nil, err
	}
	defer mortal.stop()
	rates, err := contest(b.rounds, b.turn(plain), b.turn(mortal))
	if err != nil {
		return nil, err
	}
	return []row{
		{what: fmt.Sprintf("pushes/s of 1 series, %s groups", inWords(mortals)), unit: perSecond, gateway: rates[0]},
		{what: "the same, each with a deadline of its own", unit: perSecond, gateway: rates[1]},
	}, nil
}

// emptied asks until there are no groups of the bench, and gives the time since
// then.
func (t *target) emptied(since time.Time) (ms float64, err error) {
	c, err := dial(t.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for time.Since(since) < patience {
		var body bytes.Buffer
		if _, err := c.do(get("/api/v1/groups?limit=1&match%5B%5D=%7Bjob%3D%22bench%22%7D"), &body); err != nil {
			return 0, err
		}
		if bytes.Contains(body.Bytes(), []byte(`"total":0`)) {
			return float64(time.Since(since).Nanoseconds()) / 1e6, nil
		}
	}
	return 0, fmt.Errorf("there are groups %s after their end", patience)
}

// measureWipe measures deleting groups by selector, on disk: some large ones,
// and many small ones with deadlines.
func (b *bench) measureWipe(ctx context.Context) ([]row, error) {
	small := newSmallLoad(mortals)
	small.ttl = ownDeadline
	var rows []row
	for _, l := range []*load{newLoad(wiped * seriesPerGroup), small} {
		ms, err := b.wipe(ctx, l)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("deleting %s groups of %d series by selector, on disk", inWords(l.groups), l.each)
		rows = append(rows, row{what: what, unit: milliseconds, gateway: ms})
	}
	return rows, nil
}

// ownDeadline lets each group live for another time.
func ownDeadline(n int) time.Duration {
	return 24*time.Hour + time.Duration(n%mortals*7919)*time.Millisecond
}

func (b *bench) wipe(ctx context.Context, l *load) (ms float64, err error) {
	t, _, err := b.startDurable(ctx, l, "--web.enable-admin-api")
	if err != nil {
		return 0, err
	}
	defer t.stop()
	times, err := contest(lifecycleRounds, func() (float64, error) {
		t.next.Store(0)
		if err := t.fill(); err != nil {
			return 0, err
		}
		return t.timed(deleteRequest, fmt.Sprintf(`"deleted":%d`, l.groups))
	})
	if err != nil {
		return 0, err
	}
	return times[0], nil
}

// timed sends a request, and gives the time to the end of an answer that must
// have a text in it.
func (t *target) timed(request []byte, want string) (ms float64, err error) {
	c, err := dial(t.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var body bytes.Buffer
	begin := time.Now()
	_, err = c.do(request, &body)
	ms = float64(time.Since(begin).Nanoseconds()) / 1e6
	if err == nil && !bytes.Contains(body.Bytes(), []byte(want)) {
		err = fmt.Errorf("%q is not in the answer %.200q", want, body.Bytes())
	}
	return ms, err
}
