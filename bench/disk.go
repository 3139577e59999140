package main

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// disk is what bbolt can do alone, which is the ceiling for pushes that wait
// for it: writers that each put one value after the other, and a commit for
// all that wait.
type disk struct {
	db    *bbolt.DB
	value []byte
	queue chan *put
}

// put is one write that somebody waits for.
type put struct {
	key  []byte
	err  error
	done chan struct{}
}

const (
	diskKeys  = 1000 // as many as the middle load has groups
	diskValue = 1200 // bytes, as the design has them
)

var diskBucket = []byte("groups")

// openDisk makes a database with all keys in it.
func openDisk(dir string) (*disk, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bbolt"), 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	d := &disk{db: db, value: make([]byte, diskValue), queue: make(chan *put, diskKeys)}
	_, _ = rand.Read(d.value) // never fails
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(diskBucket)
		for n := 0; n < diskKeys && err == nil; n++ {
			err = b.Put(diskKey(n), d.value)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("filling bbolt: %w", err)
	}
	go d.commit()
	return d, nil
}

func diskKey(n int) []byte { return fmt.Appendf(nil, "job\xffbench\xffinstance\xffi-%d", n) }

func (d *disk) close() {
	close(d.queue)
	_ = d.db.Close()
}

// commit writes what waits, again and again.
func (d *disk) commit() {
	for first := range d.queue {
		batch := []*put{first}
		for len(d.queue) > 0 {
			batch = append(batch, <-d.queue)
		}
		err := d.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(diskBucket)
			for _, p := range batch {
				if err := b.Put(p.key, d.value); err != nil {
					return err
				}
			}
			return nil
		})
		for _, p := range batch {
			p.err = err
			close(p.done)
		}
	}
}

// turn gives the writes per second that as many writers get done.
func (d *disk) turn(writers int, length time.Duration) func() (float64, error) {
	return func() (float64, error) {
		var written atomic.Int64
		var failed atomic.Pointer[error]
		var wg sync.WaitGroup
		end := time.Now().Add(length)
		for range writers {
			wg.Go(func() {
				for time.Now().Before(end) && failed.Load() == nil {
					p := &put{key: diskKey(mathrand.IntN(diskKeys)), done: make(chan struct{})}
					d.queue <- p
					if <-p.done; p.err != nil {
						failed.Store(&p.err)
					}
					written.Add(1)
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return 0, *err
		}
		return float64(written.Load()) / length.Seconds(), nil
	}
}
