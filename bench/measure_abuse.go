package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// abuse is what clients that misbehave send, as fast as they can.
type abuse struct {
	what    string
	request func(n int) []byte // the nth one
	status  int                // of the answers
}

// abuses returns what a gateway with a configuration file must bear.
func abuses(l *load) []abuse {
	tooMany := abusive(manySeries(overLimit * l.each))
	return []abuse{
		{"pushes faster than the disk", func(n int) []byte { return l.appendPush(nil, n) }, 200},
		{"pushes over a limit", func(int) []byte { return tooMany }, 413},
		{"wrong tokens", func(n int) []byte {
			return abusive("", fmt.Sprintf("Authorization: Bearer wrong-%d", n))
		}, 401},
		{"wrong passwords", func(n int) []byte {
			return abusive("", "Authorization: Basic "+base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "bench:wrong-%d", n)))
		}, 401},
	}
}

func manySeries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "abuse_total{i=\"%d\"} 1\n", i)
	}
	return b.String()
}

// abusive renders a push to a group that nobody else has.
func abusive(body string, headers ...string) []byte {
	b := []byte("PUT /metrics/job/abuse HTTP/1.1\r\nHost: 127.0.0.1\r\n")
	for _, h := range headers {
		b = append(b, h+"\r\n"...)
	}
	return append(fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body)), body...)
}

const (
	// overLimit is how many times as many series as allowed abusive pushes have.
	overLimit = 3
	// abusers is the number of connections that send abuse.
	abusers = 16
	// abuseScrapes is how often the gateway is scraped in each state.
	abuseScrapes = 200
	// scrapePause is between two scrapes.
	scrapePause = 25 * time.Millisecond
	// neighbour is the address that scrapes come from. Abuse comes from
	// 127.0.0.1.
	neighbour = "127.0.0.2"
)

// measureAbuse measures scrapes from one address while another one misbehaves.
func (b *bench) measureAbuse(ctx context.Context) ([]row, error) {
	file, err := b.writeAccess()
	if err != nil {
		return nil, err
	}
	l := b.middle()
	t, _, err := b.startDurable(ctx, l, "--config.file="+file)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	quiet, err := t.scrapesBeside(nil)
	if err != nil {
		return nil, err
	}
	rows := []row{{what: fmt.Sprintf("scrape of %s series from another address, p99, quiet", inWords(l.series())), unit: milliseconds, gateway: quiet}}
	for _, a := range abuses(l) {
		p99, err := t.scrapesBeside(&a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.what, err)
		}
		rows = append(rows, row{what: "the same beside " + a.what, unit: milliseconds, gateway: p99, goals: []goal{within("250 ms", p99, 250)}})
	}
	return rows, nil
}

// writeAccess writes a configuration file with a user, and returns its path.
func (b *bench) writeAccess() (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.DefaultCost)
	if err != nil {
		return "", err
	}
	token := filepath.Join(b.dir, "token")
	if err := os.WriteFile(token, []byte("right"), 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(b.dir, "access.yml")
	return file, os.WriteFile(file, fmt.Appendf(nil, `limits:
  max_body_bytes: 64KiB
  max_series_per_push: %d
access:
  anonymous: [health, scrape, push]
  users:
    - {name: bench, password_hash: %q, may: [push]}
    - {name: job, token_file: %q, may: [push]}
`, seriesPerGroup, hash, token), 0o600)
}

// scrapesBeside gives the 99th percentile of the time of scrapes, in
// milliseconds, beside abuse, or alone if it is nil.
func (t *target) scrapesBeside(a *abuse) (p99 float64, err error) {
	end := make(chan struct{})
	var all sync.WaitGroup
	errs := make([]error, abusers)
	for i := range abusers {
		if a != nil {
			all.Go(func() { errs[i] = t.send(a, i, end) })
		}
	}
	p99, err = t.scrapeFrom(neighbour)
	close(end)
	all.Wait()
	return p99, errors.Join(append(errs, err)...)
}

// send sends abuse over a connection of its own until end is closed.
func (t *target) send(a *abuse, number int, end <-chan struct{}) error {
	c, err := dial(t.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for n := number; ; n += abusers {
		select {
		case <-end:
			return nil
		default:
		}
		res, err := c.do(a.request(n), nil)
		if res.status != a.status {
			return fmt.Errorf("got status %d, want %d: %w", res.status, a.status, err)
		}
	}
}

// scrapeFrom scrapes again and again from an address of this machine.
func (t *target) scrapeFrom(address string) (p99 float64, err error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	raw, err := dialer.Dial("tcp", t.addr)
	if err != nil {
		return 0, fmt.Errorf("connecting from %s, which Linux can without being told: %w", address, err)
	}
	c := newConn(raw)
	defer c.Close()
	var times []float64
	for range abuseScrapes {
		begin := time.Now()
		if _, err := c.do(textScrape, nil); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(begin).Nanoseconds())/1e6)
		time.Sleep(scrapePause)
	}
	slices.Sort(times)
	return times[len(times)*99/100-1], nil
}
