package httpapi

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/excerpt"
)

// scrapers remembers who has scraped, latest first, so that a gateway that
// nobody scrapes can say so. It is safe for concurrent use, and its zero value
// is ready.
type scrapers struct {
	mu   sync.Mutex
	list []scraper
}

// scraper is the last scrape that one client read to the end of one path.
type scraper struct {
	Client    string    `json:"client"` // address of the client
	UserAgent string    `json:"user_agent"`
	Path      string    `json:"path"` // with own=false, if it left out the gateway's own metrics
	Time      time.Time `json:"time"`
	Format    string    `json:"format"`
	Bytes     int64     `json:"bytes"` // before compression
	Seconds   float64   `json:"duration_seconds"`
}

func scraperOf(client string, r *http.Request, s Scrape, now time.Time) scraper {
	path := excerpt.Line(r.URL.EscapedPath(), excerpt.Most)
	if without, _ := isWithoutOwn(r); without {
		path += "?own=false"
	}
	return scraper{client, excerpt.Line(r.UserAgent(), excerpt.Most), path, now, s.Format.Syntax.String(), s.Bytes, s.Took.Seconds()}
}

// who is the client of a scrape.
func (s *scraper) who() string { return cmp.Or(s.UserAgent, "an unknown program") + " at " + s.Client }

// note remembers a scrape, and no more than most of them.
func (s *scrapers) note(latest scraper, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(o scraper) bool {
		return o.Client == latest.Client && o.UserAgent == latest.UserAgent && o.Path == latest.Path
	})
	s.list = slices.Insert(s.list, 0, latest)
	s.list = s.list[:min(len(s.list), most)]
}

func (s *scrapers) latest() []scraper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]scraper{}, s.list...)
}
