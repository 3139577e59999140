package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// shortest is the shortest part of the time for retries that ends a try. The try
// that has less is the last one, and gets all that is left.
const shortest = time.Second

// try sends a request once. It gives up if nothing moves for half of the time that
// is left for retries, so that another try follows one that hangs.
func (c *Client) try(ctx context.Context, r request, until time.Time) (*http.Response, error) {
	half := time.Until(until) / 2
	if half < shortest {
		return c.send(ctx, r)
	}
	limited, end := context.WithCancel(ctx) // reading the answer needs it after this
	p := &patience{most: half, progress: r.progress}
	p.timer = time.AfterFunc(half, func() {
		if p.over.CompareAndSwap(false, true) {
			end()
		}
	})
	r.progress = p
	res, err := c.send(limited, r)
	if p.over.CompareAndSwap(false, true) {
		p.timer.Stop()
		return res, err
	}
	if err == nil {
		res.Body.Close()
	}
	return nil, c.unreachable(&url.Error{Op: r.method, URL: c.String(), Err: context.DeadlineExceeded})
}

// patience is how long a try waits while nothing moves. Each byte that is sent is a
// move.
type patience struct {
	most     time.Duration
	timer    *time.Timer
	over     atomic.Bool // the try has ended
	progress io.Writer   // receives the bytes sent, unless it is nil
}

// Write implements io.Writer.
func (p *patience) Write(sent []byte) (int, error) {
	p.timer.Reset(p.most)
	if p.progress == nil {
		return len(sent), nil
	}
	return p.progress.Write(sent)
}
