package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	openPages    = 10
	unshared     = 6 * time.Second // after which nothing found before is used again
	refreshes    = 5               // of each page: collecting garbage takes longer than most of them, and is in some
	groupsOfPage = 100             // that are pushed to between two refreshes
	pageShare    = 1.2             // what ten pages may cost, against one
)

// atOnce is how many things a page asks for at a time.
const atOnce = 3

// openPage is a page with the connections that its browser keeps.
type openPage [atOnce]*webClient

// pageViews are what a page asks for at each refresh.
var pageViews = [...]struct {
	name  string
	paths [atOnce]string
}{
	{"jobs", [...]string{"/api/v1/jobs?limit=100&runs=20", "/api/v1/refusals?limit=100", "/api/v1/troubles"}},
	{"groups", [...]string{"/api/v1/groups?sort=job&offset=0&limit=100", "/api/v1/overview", "/api/v1/troubles"}},
}

// measurePages measures the processor time of the gateway for a refresh of one
// open page, and of ten together, while groups are pushed to.
func (b *bench) measurePages(ctx context.Context) (rows []row, err error) {
	t, err := b.startGateway(ctx, newSmallLoad(clients))
	if err != nil {
		return nil, err
	}
	defer t.stop()
	groups := b.series / 10
	if err := t.pushJobs(groups); err != nil {
		return nil, err
	}
	pages := t.openPages(openPages)
	defer closePages(pages)
	var one, ten [len(pageViews)][]float64
	for range refreshes {
		if err := errors.Join(t.refreshAll(&one, pages[:1]), t.refreshAll(&ten, pages)); err != nil {
			return nil, err
		}
	}
	for i, view := range pageViews {
		one, ten := median(one[i]), median(ten[i])
		rows = append(rows,
			row{what: fmt.Sprintf("CPU of a refresh of an open page, %s, %s groups", view.name, inWords(groups)), unit: milliseconds, gateway: one},
			row{what: fmt.Sprintf("the same, %d pages together", openPages), unit: milliseconds, gateway: ten,
				goals: []goal{atMost(fmt.Sprintf("%g × one page", pageShare), ten, pageShare, one)}})
	}
	return rows, nil
}

func (t *target) openPages(n int) []openPage {
	pages := make([]openPage, n)
	for i := range pages {
		for k := range pages[i] {
			pages[i][k] = newWebClient(t.addr)
		}
	}
	return pages
}

func closePages(pages []openPage) {
	for i := range pages {
		for _, c := range pages[i] {
			_ = c.Close()
		}
	}
}

// refreshAll appends the processor time of the gateway for pages of each view, after
// some pushes.
func (t *target) refreshAll(ms *[len(pageViews)][]float64, pages []openPage) error {
	if err := t.pushJobs(groupsOfPage); err != nil {
		return err
	}
	time.Sleep(unshared)
	for i, view := range pageViews {
		spent, err := t.refresh(pages, view.paths)
		if err != nil {
			return err
		}
		ms[i] = append(ms[i], spent)
	}
	return nil
}

// refresh returns the processor time of the gateway for what pages ask at once, as
// they do at full five seconds, in ms.
func (t *target) refresh(pages []openPage, paths [atOnce]string) (float64, error) {
	before, err := t.cpu()
	if err != nil {
		return 0, err
	}
	var asking errgroup.Group
	for i := range pages {
		for k, c := range pages[i] {
			asking.Go(func() error { return c.askAsPage(paths[k]) })
		}
	}
	if err := asking.Wait(); err != nil {
		return 0, err
	}
	time.Sleep(time.Second) // for the garbage to be collected
	after, err := t.cpu()
	return microsecondsOf(after-before) / 1e3, err
}

// askAsPage asks as a browser does.
func (c *webClient) askAsPage(path string) error {
	_, err := c.read(bytes.Replace(get(path), []byte("\r\n\r\n"), []byte("\r\nX-Pushgateway-Page: sharing\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n"), 1))
	return err
}

// pushJobs pushes to so many groups of a thousand jobs.
func (t *target) pushJobs(groups int) error {
	c, err := dial(t.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for from := 0; from < groups; from += inBody {
		body := []byte("# TYPE job_last_success_timestamp_seconds gauge\n")
		for n := from; n < min(from+inBody, groups); n++ {
			body = fmt.Appendf(body, "job_last_success_timestamp_seconds{job=\"job-%d\",instance=\"i-%d\"} %d\n", n%1000, n, time.Now().Unix())
		}
		request := fmt.Appendf(nil, "POST /api/v1/push?group_by=job,instance HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
		if _, err := c.do(request, nil); err != nil {
			return err
		}
	}
	return nil
}
