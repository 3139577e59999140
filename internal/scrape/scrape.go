// Package scrape composes what scrapes get: the families of a view and the
// gateway's own, in the order of their names, in the format that was asked for.
package scrape

import (
	"errors"
	"io"
	"maps"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

const (
	// maxCache bounds, in bytes, what is kept for formats and escapings that the
	// stored blocks do not have ready.
	maxCache = 64 << 20
	// maxRuns bounds, in bytes, what is kept joined for text scrapes, and the
	// same for protobuf.
	maxRuns = 16 << 20
)

// Scraper writes views. It keeps what the next scrape can use again. It is safe
// for concurrent use.
type Scraper struct {
	reserved map[string]metric.Type
	own      func() []exposition.Exposed
	firstOwn string // name that none of the gateway's own families comes before
	cache    *exposition.Cache
	runs     *exposition.Runs
	hiding   hiding
}

// New makes a scraper of views in which these names are reserved for the
// gateway's own families. Own gives those for one scrape, sorted by name; all are
// among the reserved. There are none if it is nil.
func New(reserved map[string]metric.Type, own func() []exposition.Exposed) *Scraper {
	s := &Scraper{reserved: reserved, own: own, cache: exposition.NewCache(maxCache), runs: exposition.NewRuns(maxRuns)}
	if own == nil {
		s.own = func() []exposition.Exposed { return nil }
	}
	if len(reserved) > 0 {
		s.firstOwn = slices.Min(slices.Collect(maps.Keys(reserved)))
	}
	return s
}

// Written is what there is to know of an answer.
type Written struct {
	Bytes int64
	// LeftOut counts families, series and labels that are missing because in
	// this format they have the name of another, or are histograms that
	// contradict themselves.
	LeftOut int
}

// unreadError says that an answer could not be written to its end.
type unreadError struct{ error }

func (e unreadError) Unwrap() error { return e.error }

// IsUnread tells whether an answer was made, but could not be written to its end,
// as when its reader has gone.
func IsUnread(err error) bool {
	var unread unreadError
	return errors.As(err, &unread)
}

// All writes everything that a view exposes. Nothing is sorted, and nothing is
// rendered but what no earlier scrape has asked for. It writes from another
// goroutine, which has ended when it returns.
func (s *Scraper) All(w io.Writer, v *gateway.View, format exposition.Format) (Written, error) {
	return written(w, func(p *pipeline) (int, error) { return s.writeAll(p, v, format) })
}

// Group writes what scrapes get of one group of the view, in a format.
func (s *Scraper) Group(w io.Writer, v *gateway.View, g *gateway.Group, format exposition.Format) (Written, error) {
	return written(w, func(p *pipeline) (int, error) { return s.writeGroup(p, v, g, format) })
}

// written has an answer written through a pipeline.
func written(w io.Writer, write func(*pipeline) (leftOut int, err error)) (Written, error) {
	p := newPipeline(w)
	defer p.Close()
	leftOut, err := write(p)
	if unread := p.Close(); unread != nil {
		err = unreadError{unread}
	}
	return Written{p.n, leftOut}, err
}

func (s *Scraper) writeAll(w io.Writer, v *gateway.View, format exposition.Format) (leftOut int, err error) {
	hidden := s.hiding.of(format, s.reserved, v)
	enc := exposition.NewEncoder(w, format, s.cache)
	enc.Join(s.runs)
	for f := range s.families(v) {
		if hidden[f.Name] {
			if f.claim > 0 { // of the gateway's own nobody misses one
				leftOut++
			}
			continue
		}
		if err := enc.Encode(f.Exposed); err != nil {
			return 0, err
		}
	}
	return leftOut + enc.Dropped, enc.Close()
}

func (s *Scraper) writeGroup(w io.Writer, v *gateway.View, g *gateway.Group, format exposition.Format) (leftOut int, err error) {
	hidden := s.hiding.of(format, s.reserved, v)
	enc := exposition.NewEncoder(w, format, s.cache)
	for f := range groupFamilies(v, g) {
		if hidden[f.Name] {
			leftOut++
			continue
		}
		if err := enc.Encode(f); err != nil {
			return 0, err
		}
	}
	return leftOut + enc.Dropped, enc.Close()
}
