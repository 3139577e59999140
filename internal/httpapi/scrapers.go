package httpapi

import (
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

// scraper is the last scrape that one client read to the end.
type scraper struct {
	Client    string    `json:"client"` // address of the client
	UserAgent string    `json:"user_agent"`
	Time      time.Time `json:"time"`
	Format    string    `json:"format"`
	Bytes     int64     `json:"bytes"` // before compression
	Seconds   float64   `json:"duration_seconds"`
}

func scraperOf(client string, r *http.Request, s Scrape, now time.Time) scraper {
	return scraper{client, excerpt.Line(r.UserAgent(), excerpt.Most), now, s.Format.Syntax.String(), s.Bytes, s.Took.Seconds()}
}

// note remembers a scrape, and no more than most of them.
func (s *scrapers) note(latest scraper, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(o scraper) bool {
		return o.Client == latest.Client && o.UserAgent == latest.UserAgent
	})
	s.list = slices.Insert(s.list, 0, latest)
	s.list = s.list[:min(len(s.list), most)]
}

func (s *scrapers) latest() []scraper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]scraper{}, s.list...)
}
