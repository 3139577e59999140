package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	bystanders     = 4
	controls       = 1 // that push to the ceiling meanwhile
	bystanderPause = time.Millisecond
	bystanderLoad  = 1000 // groups
)

// bystander pushes to groups of its own while something else goes on in the
// gateway, and remembers how long its longest push took.
type bystander struct {
	target  *target
	load    *load
	pushed  atomic.Int64
	longest atomic.Int64 // ns
	over    atomic.Bool
	wg      sync.WaitGroup
	errs    []error
}

// beside starts a bystander of so many clients that pushes until stop is called.
func (t *target) beside(clients int) (*bystander, error) {
	b := &bystander{target: t, load: newLoad(bystanderLoad * seriesPerGroup), errs: make([]error, clients)}
	for i := range clients {
		c, err := dial(t.addr)
		if err != nil {
			return nil, errors.Join(err, b.stop())
		}
		b.wg.Go(func() {
			defer c.Close()
			b.errs[i] = b.push(c)
		})
	}
	return b, nil
}

func (b *bystander) push(c *conn) error {
	for !b.over.Load() {
		n := int(b.pushed.Add(1))
		body := b.load.body(n)
		c.send = fmt.Appendf(c.send[:0], "PUT /metrics/job/bystander/instance/i-%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			n%b.load.groups, b.load.media(), len(body), body)
		begin := time.Now()
		if _, err := c.do(c.send, nil); err != nil {
			return fmt.Errorf("a push beside: %w", err)
		}
		b.note(time.Since(begin))
		time.Sleep(bystanderPause)
	}
	return nil
}

func (b *bystander) note(took time.Duration) {
	for old := b.longest.Load(); int64(took) > old; old = b.longest.Load() {
		if b.longest.CompareAndSwap(old, int64(took)) {
			return
		}
	}
}

// since returns the longest push since the last call, in ms.
func (b *bystander) since() float64 { return float64(b.longest.Swap(0)) / 1e6 }

// stop ends the pushes.
func (b *bystander) stop() error {
	b.over.Store(true)
	b.wg.Wait()
	return errors.Join(b.errs...)
}
