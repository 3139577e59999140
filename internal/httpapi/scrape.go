package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"

	"pushgateway/internal/compression"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/scrape"
)

// scrape streams the present view.
func (a *api) scrape(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	withoutOwn, err := isWithoutOwn(r)
	if err != nil {
		http.Error(w, excerpt.Message(err), http.StatusBadRequest)
		return
	}
	giveBack := a.turns.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
	format := exposition.Negotiate(r.Header, a.EnableOpenMetrics)
	if scrape.Escaped(a.Gateway.View(), format) > a.Limits.Turns.FreelyEscaped {
		if giveBack = a.escaped.await(w, r); giveBack == nil {
			return
		}
		defer giveBack()
	}
	w.Header().Set("Content-Type", format.ContentType())
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	v, write := a.present(w), a.scraper.All
	if withoutOwn {
		write = a.scraper.Pushed
	}
	out := packed(w, r)
	written, err := write(out, v, format)
	unread := out.Close()
	switch {
	case scrape.IsUnread(err) || unread != nil:
		a.Logger.Debug("The client did not read a scrape to the end", "err", errors.Join(err, unread))
		return
	case err != nil:
		// No scrape is better than a part that looks complete.
		a.Logger.Error("Could not write a scrape", "format", format.Syntax, "err", err)
		panic(http.ErrAbortHandler)
	}
	if r.Method == http.MethodHead {
		return // the client only checks that the gateway is there
	}
	s := Scrape{Format: format, Written: written, Took: time.Since(start)}
	by := scraperOf(a.Proxies.Client(r), r, s, time.Now())
	s.By = by.who()
	a.Scraped(s)
	a.scrapers.note(by, a.Limits.Remember.Scrapers)
}

// packed returns the writer for an answer, which compresses if the client
// accepts that. The caller closes it.
func packed(w http.ResponseWriter, r *http.Request) io.WriteCloser {
	wire := newSteady(w)
	encoding, z := compression.Pack(r.Header.Values("Accept-Encoding"), wire)
	if z == nil {
		return plain{wire}
	}
	w.Header().Set("Content-Encoding", encoding)
	return z
}

// plain is a response without compression.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// own returns the gateway's own families. A scrape exposes what could be
// gathered, and never fails for the rest.
func (a *api) own(v *gateway.View) []exposition.Exposed {
	own, err := a.Own(v)
	if err != nil {
		a.Logger.Error("Could not gather the gateway's own metrics", "err", err)
	}
	return own
}
