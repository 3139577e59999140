package main

import (
	"context"
	"fmt"
	"io"
)

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// The scrapes that are measured.
var (
	textScrape     = get("/metrics", "Accept: text/plain;version=0.0.4")
	gzipScrape     = get("/metrics", "Accept: text/plain;version=0.0.4", "Accept-Encoding: gzip")
	protobufScrape = get("/metrics", "Accept: "+protobuf)

	openMetricsScrape = get("/metrics", "Accept: application/openmetrics-text;version=1.0.0")

	zstdScrape         = get("/metrics", "Accept: text/plain;version=0.0.4", "Accept-Encoding: zstd")
	protobufGzipScrape = get("/metrics", "Accept: "+protobuf, "Accept-Encoding: gzip")
)

// answers is what one target made of a scrape: the median time in
// milliseconds, by a client like Prometheus and by a raw socket, and the size
// of the last answer in MB.
type answers struct{ time, raw, size float64 }

// How often each target is scraped; the peer takes its time.
const (
	scrapes     = 41
	peerScrapes = 9
)

func (b *bench) measureTextScrape(ctx context.Context) ([]row, error) {
	a, err := b.scrapeAll(ctx, textScrape, textScrape)
	if err != nil {
		return nil, err
	}
	r := a.timeRow(fmt.Sprintf("scrape of %s series just after a push, text", inWords(b.middle().series())))
	r.goals = []goal{atMost("twice the ceiling", r.gateway, 2, r.ceiling)}
	raw := row{what: "the same, from a raw socket", unit: milliseconds, gateway: a.gateway.raw, ceiling: a.ceiling.raw}
	return []row{r, raw, a.sizeRow("its size")}, nil
}

func (b *bench) measureGzipScrape(ctx context.Context) ([]row, error) {
	a, err := b.scrapeAll(ctx, gzipScrape, textScrape)
	if err != nil {
		return nil, err
	}
	r, size := a.timeRow("the same, gzip"), a.sizeRow("its size, gzip")
	r.goals = []goal{within("25 ms", r.gateway, 25)}
	size.goals = []goal{within("0.75 MB", size.gateway, 0.75)}
	return []row{r, size}, nil
}

func (b *bench) measureProtobufScrape(ctx context.Context) ([]row, error) {
	a, err := b.scrapeAll(ctx, protobufScrape, protobufScrape)
	if err != nil {
		return nil, err
	}
	r := a.timeRow("the same, protobuf")
	r.goals = []goal{within("30 ms", r.gateway, 30)}
	return []row{r, a.sizeRow("its size, protobuf")}, nil
}

// scraped holds the answers of each target; those of an absent one are 0.
type scraped struct{ gateway, ceiling, peer answers }

func (s scraped) timeRow(what string) row {
	return row{what: what, unit: milliseconds, gateway: s.gateway.time, ceiling: s.ceiling.time, peer: s.peer.time}
}

func (s scraped) sizeRow(what string) row {
	return row{what: what, unit: megabytes, gateway: s.gateway.size, ceiling: s.ceiling.size, peer: s.peer.size}
}

// scrapeAll scrapes each target in turn. The ceiling serves what the gateway
// answers to source.
func (b *bench) scrapeAll(ctx context.Context, request, source []byte) (s scraped, err error) {
	l := b.middle()
	gateway, err := b.startGateway(ctx, l)
	if err != nil {
		return s, err
	}
	defer gateway.stop()
	ceiling, err := b.startCeiling(ctx, l)
	if err != nil {
		return s, err
	}
	defer ceiling.stop()
	if err := ceiling.serve(gateway, source); err != nil {
		return s, err
	}
	if err := scrapeBoth(gateway, ceiling, request, &s); err != nil || b.peer == "" {
		return s, err
	}
	s.peer, err = b.scrapePeer(ctx, l, request)
	return s, err
}

// serve has the ceiling serve what another target answers to a request.
func (t *target) serve(other *target, request []byte) error {
	page, err := other.fetch(request)
	if err != nil {
		return err
	}
	put := fmt.Appendf(nil, "PUT %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n", pagePath, len(page))
	_, err = t.fetch(append(put, page...))
	return err
}

// scrapeBoth alternates between the two, for the same reason as contest.
func scrapeBoth(gateway, ceiling *target, request []byte, s *scraped) error {
	g, c := &scraper{target: gateway}, &scraper{target: ceiling}
	defer g.close()
	defer c.close()
	contend := func() ([]float64, error) {
		return contest(scrapes, func() (float64, error) { return g.scrape(request) },
			func() (float64, error) { return c.scrape(request) })
	}
	raw, err := contend()
	if err != nil {
		return err
	}
	g.becomeWeb()
	c.becomeWeb()
	web, err := contend()
	s.gateway, s.ceiling = answers{web[0], raw[0], g.size}, answers{web[1], raw[1], c.size}
	return err
}

func (b *bench) scrapePeer(ctx context.Context, l *load, request []byte) (answers, error) {
	peer, err := b.startPeer(ctx, l)
	if err != nil {
		return answers{}, err
	}
	defer peer.stop()
	p := &scraper{target: peer}
	defer p.close()
	p.becomeWeb()
	times, err := contest(peerScrapes, func() (float64, error) { return p.scrape(request) })
	if err != nil {
		return answers{}, err
	}
	return answers{time: times[0], size: p.size}, nil
}

// scraper scrapes one target, and pushes something new before each scrape, so
// that nobody answers with what was made for the scrape before. It has two
// connections, as a job and Prometheus would.
type scraper struct {
	*target
	pushes *conn
	reads  reader
	size   float64 // MB of the last answer
}

// reader is who scrapes. It gives the size of the answer in bytes.
type reader interface {
	read(request []byte) (int64, error)
	io.Closer
}

func (c *conn) read(request []byte) (int64, error) {
	res, err := c.do(request, nil)
	return res.size, err
}

func (s *scraper) scrape(request []byte) (ms float64, err error) {
	if err := s.connect(); err != nil {
		return 0, err
	}
	if err := s.pushNext(s.pushes); err != nil {
		return 0, err
	}
	return s.timed(request)
}

// becomeWeb makes it scrape with net/http from here on.
func (s *scraper) becomeWeb() {
	if s.reads != nil {
		_ = s.reads.Close()
	}
	s.reads = newWebClient(s.addr)
}

// connect dials when it is needed first.
func (s *scraper) connect() (err error) {
	if s.pushes == nil {
		if s.pushes, err = dial(s.addr); err != nil {
			return err
		}
	}
	if s.reads == nil {
		s.reads, err = dial(s.addr)
	}
	return err
}

func (s *scraper) close() {
	if s.pushes != nil {
		_ = s.pushes.Close()
	}
	if s.reads != nil {
		_ = s.reads.Close()
	}
}
