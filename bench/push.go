package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// fill pushes every group once.
func (t *target) fill() error {
	err := t.eachClient(func(c *conn) error {
		for {
			n := int(t.next.Add(1) - 1)
			if n >= t.load.groups {
				return nil
			}
			if err := t.push(c, n); err != nil {
				return err
			}
		}
	})
	return err
}

// rate pushes for a time and gives the pushes per second that were answered
// within it.
func (t *target) rate(d time.Duration) (float64, error) {
	var answered atomic.Int64
	var start sync.Once
	var end time.Time
	err := t.eachClient(func(c *conn) error {
		start.Do(func() { end = time.Now().Add(d) })
		n, err := t.pushUntil(c, end)
		answered.Add(n)
		return err
	})
	return float64(answered.Load()) / d.Seconds(), err
}

func (t *target) pushUntil(c *conn, end time.Time) (answered int64, err error) {
	for {
		if err := t.pushNext(c); err != nil {
			return answered, err
		}
		if !time.Now().Before(end) {
			return answered, nil
		}
		answered++
	}
}

func (t *target) pushNext(c *conn) error { return t.push(c, int(t.next.Add(1)-1)) }

func (t *target) push(c *conn, n int) error {
	c.send = t.load.appendPush(c.send[:0], n)
	if _, err := c.do(c.send, nil); err != nil {
		return fmt.Errorf("push %d: %w", n, err)
	}
	return nil
}

// eachClient runs f once for each client, all at the same time, when all are
// connected.
func (t *target) eachClient(f func(*conn) error) error {
	conns := make([]*conn, t.clients)
	for i := range conns {
		c, err := dial(t.addr)
		if err != nil {
			return err
		}
		defer c.Close()
		conns[i] = c
	}
	errs := make([]error, t.clients)
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { errs[i] = f(c) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
