// Package webui serves the pages for people.
package webui

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"pushgateway/internal/gateway"
)

//go:embed page.html style.css
var assets embed.FS

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
	t, err := template.ParseFS(assets, "page.html")
	if err != nil {
		return nil, err
	}
	static, err := fs.Sub(assets, ".")
	if err != nil {
		return nil, err
	}
	files := http.StripPrefix(c.Prefix+"/static/", http.FileServerFS(static))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasPrefix(r.URL.Path, c.Prefix+"/static/") {
			files.ServeHTTP(w, r)
			return
		}
		v := c.Gateway.View()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = t.Execute(w, page{Config: c, Groups: v.Groups(), Series: v.Series, LeftOut: v.LeftOut}) // a client that has gone needs no page
	}), nil
}
