// Package webui serves the pages for people.
package webui

import (
	"embed"
	"html/template"
	"net/http"
	"strings"

	"pushgateway/internal/gateway"
)

var (
	//go:embed page.html
	pageSource string
	//go:embed static
	assets embed.FS
)

// Config says what the pages show.
type Config struct {
	Gateway *gateway.Gateway
	// Prefix comes before all paths, "" or like "/gw".
	Prefix        string
	TelemetryPath string
	Version       string
}

// page is what the template is given.
type page struct {
	Config
	Groups, Series, LeftOut int
}

// New gives the handler of the pages and what they need.
func New(c Config) (http.Handler, error) {
	t, err := template.New("page").Parse(pageSource)
	if err != nil {
		return nil, err
	}
	files := http.StripPrefix(c.Prefix+"/", http.FileServerFS(assets))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if file, ok := strings.CutPrefix(r.URL.Path, c.Prefix+"/static/"); ok {
			if file == "" || strings.HasSuffix(file, "/") { // nobody needs lists of files
				http.NotFound(w, r)
				return
			}
			files.ServeHTTP(w, r)
			return
		}
		v := c.Gateway.View()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = t.Execute(w, page{Config: c, Groups: v.Groups(), Series: v.Series, LeftOut: v.LeftOut}) // a client that has gone needs no page
	}), nil
}
