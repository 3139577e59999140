// Package scrape composes the answers to scrapes: the families of a view and
// the gateway's own, in the order of their names, in the requested format.
package scrape

import (
	"errors"
	"io"
	"iter"
	"maps"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

const (
	// maxCache bounds, in bytes, what is kept for formats and escapings that the
	// stored blocks do not contain.
	maxCache = 64 << 20
	// maxRuns bounds, in bytes, what is kept joined for text scrapes, as much for
	// protobuf, twice as much for compressed scrapes of all formats and codings, and
	// three times as much for the protobuf of blocks.
	maxRuns = 16 << 20
)

// Scraper writes views. It keeps what the next scrape can reuse. It is safe for
// concurrent use.
type Scraper struct {
	// Busy reports whether pushes are in progress, to which scrapes then give way.
	// Nil means that there are none. Set it before the first scrape.
	Busy func() bool

	reserved map[string]metric.Type
	own      func(*gateway.View) []exposition.Exposed
	firstOwn string // the lowest name of the gateway's own families
	cache    *exposition.Cache
	runs     *exposition.Runs
	hiding   hiding
}

// New returns a scraper of views in which the reserved names belong to the
// gateway's own families. own returns those for a scrape of a view, sorted by name;
// all of them are reserved. If own is nil, there are none.
func New(reserved map[string]metric.Type, own func(*gateway.View) []exposition.Exposed) *Scraper {
	s := &Scraper{reserved: reserved, own: own, cache: exposition.NewCache(maxCache), runs: exposition.NewRuns(maxRuns)}
	if own == nil {
		s.own = func(*gateway.View) []exposition.Exposed { return nil }
	}
	if len(reserved) > 0 {
		s.firstOwn = slices.Min(slices.Collect(maps.Keys(reserved)))
	}
	return s
}

// Written describes an answer.
type Written struct {
	Bytes int64
	// LeftOut counts families, series and labels that are missing because another
	// one has the same name in this format, or because they are histograms with
	// contradictory values.
	LeftOut int
}

// unreadError means that an answer could not be written to its end.
type unreadError struct{ error }

func (e unreadError) Unwrap() error { return e.error }

// IsUnread reports whether an answer was complete but could not be written to
// its end, as when the client is gone.
func IsUnread(err error) bool {
	var unread unreadError
	return errors.As(err, &unread)
}

// All writes everything that a view exposes. It sorts nothing, and renders only
// what no earlier scrape has asked for. It writes from another goroutine, which
// has ended when All returns.
func (s *Scraper) All(w io.Writer, v *gateway.View, format exposition.Format) (Written, error) {
	return s.written(w, func(p *pipeline) (int, error) { return s.writeAll(p.writer(), v, s.families(v), format) })
}

// Pushed is All without the gateway's own families. Gateways that have the same
// groups write the same bytes.
func (s *Scraper) Pushed(w io.Writer, v *gateway.View, format exposition.Format) (Written, error) {
	return s.written(w, func(p *pipeline) (int, error) { return s.writeAll(p.writer(), v, withTimes(v), format) })
}

// Own writes only the gateway's own families.
func (s *Scraper) Own(w io.Writer, v *gateway.View, format exposition.Format) (Written, error) {
	return s.written(w, func(p *pipeline) (int, error) {
		enc := exposition.NewEncoder(p, format, s.cache)
		for _, f := range s.own(v) {
			if err := enc.Encode(f); err != nil {
				return 0, err
			}
		}
		return enc.Dropped, enc.Close()
	})
}

// Group writes one group of the view as scrapes get it, in a format.
func (s *Scraper) Group(w io.Writer, v *gateway.View, g *gateway.Group, format exposition.Format) (Written, error) {
	return s.written(w, func(p *pipeline) (int, error) { return s.writeGroup(p, v, g, format) })
}

// written writes an answer through a pipeline.
func (s *Scraper) written(w io.Writer, write func(*pipeline) (leftOut int, err error)) (Written, error) {
	p := newPipeline(w, &giveWay{busy: s.Busy})
	defer p.Close()
	leftOut, err := write(p)
	if unread := p.Close(); unread != nil {
		err = unreadError{unread}
	}
	return Written{p.n, leftOut}, err
}

// Escaped returns how many series of a view are in families with names that a
// format escapes. A scrape remembers their label sets, to leave out those that
// become equal.
func Escaped(v *gateway.View, format exposition.Format) (series int) {
	if format.Escaping == metric.UTF8 {
		return 0
	}
	for f := range v.EachFamily() {
		if f.NotLegacy > 0 {
			series += f.Series
		}
	}
	return series
}

func (s *Scraper) writeAll(w io.Writer, v *gateway.View, families iter.Seq[claimed], format exposition.Format) (leftOut int, err error) {
	hidden := s.hiding.of(format, s.reserved, v)
	enc := exposition.NewEncoder(w, format, s.cache)
	enc.Join(s.runs)
	defer enc.Abandon()
	for f := range families {
		if hidden.names[f.Name] {
			if f.claim > 0 { // nobody misses one of the gateway's own
				leftOut++
			}
			continue
		}
		f.Untimed = hidden.untimed(format, f.Exposed, s.reserved, v)
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
		if hidden.names[f.Name] {
			leftOut++
			continue
		}
		f.Untimed = hidden.untimed(format, f, s.reserved, v)
		if err := enc.Encode(f); err != nil {
			return 0, err
		}
	}
	return leftOut + enc.Dropped, enc.Close()
}
