package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// fill pushes every group once.
func (t *target) fill() error {
	return t.eachClient(func(c client) error {
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
}

// rate pushes for a time and gives the pushes per second that were answered
// within it.
func (t *target) rate(d time.Duration) (float64, error) {
	var answered atomic.Int64
	var start sync.Once
	var end time.Time
	err := t.eachClient(func(c client) error {
		start.Do(func() { end = time.Now().Add(d) })
		n, err := t.pushUntil(c, end)
		answered.Add(n)
		return err
	})
	return float64(answered.Load()) / d.Seconds(), err
}

func (t *target) pushUntil(c client, end time.Time) (answered int64, err error) {
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

func (t *target) pushNext(c client) error { return t.push(c, int(t.next.Add(1)-1)) }

func (t *target) push(c client, n int) error {
	if err := c.push(t.load, n); err != nil {
		return fmt.Errorf("push %d: %w", n, err)
	}
	return nil
}

// client is who pushes, one push after the other.
type client interface {
	push(l *load, n int) error // the nth of the load
	io.Closer
}

func (c *conn) push(l *load, n int) error {
	c.send = l.appendPush(c.send[:0], n)
	_, err := c.do(c.send, nil)
	return err
}

// newClient makes a client of the kind that the target has.
func (t *target) newClient() (client, error) {
	if t.web {
		return newWebClient(t.addr), nil
	}
	return dial(t.addr)
}

// eachClient runs f once for each client, all at the same time, when all are
// there.
func (t *target) eachClient(f func(client) error) error {
	all := make([]client, t.clients)
	for i := range all {
		c, err := t.newClient()
		if err != nil {
			return err
		}
		defer c.Close()
		all[i] = c
	}
	errs := make([]error, t.clients)
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() { errs[i] = f(c) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
