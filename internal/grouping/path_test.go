package grouping

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/push"

	"pushgateway/internal/metric"
)

// decodePath reads a path as a server gets it.
func decodePath(t *testing.T, d Decoder, p string) (Key, error) {
	t.Helper()
	u, err := url.Parse("http://localhost" + p)
	if err != nil {
		t.Fatalf("%q: %v", p, err)
	}
	if path.Clean(u.EscapedPath()) != u.EscapedPath() {
		t.Fatalf("%q could be cleaned to %q", u.EscapedPath(), path.Clean(u.EscapedPath()))
	}
	return d.Decode(strings.TrimPrefix(u.EscapedPath(), "/"))
}

// FuzzPath reads back the paths that are written for keys, and those that
// client_golang writes for the same labels.
func FuzzPath(f *testing.F) {
	f.Add("backup", "instance", "db1", false)
	f.Add("a/b", "path", "/var/tmp", false)
	f.Add("..", "x", "", false)
	f.Add("%2F +?#", "a.b", "ü\n\"", true)
	f.Add("a@base64", "U__a_2e_b", "=", true)
	f.Fuzz(func(t *testing.T, job, name, value string, utf8Names bool) {
		key, err := NewKey(job, metric.Label{Name: name, Value: value})
		d := Decoder{UTF8Names: utf8Names}
		if err != nil || d.CheckName(name) != nil {
			return
		}
		if utf8Names && strings.HasPrefix(name, "U__") {
			return // which means another name there
		}
		if got, err := decodePath(t, d, key.Path()); err != nil || got != key {
			t.Errorf("%s is written as %q, and read as %s, %v", key, key.Path(), got, err)
		}
		if name == metric.JobLabel || !metric.IsLegacyLabel(name) || isDots(job) || isDots(value) || strings.Contains(job+value, " ") {
			return // which client_golang does not write so that a server reads the same (a space becomes a plus)
		}
		if got, err := decodePath(t, d, pathOfClientGolang(t, job, name, value)); err != nil || got != key {
			t.Errorf("client_golang writes %s so that it is read as %s, %v", key, got, err)
		}
	})
}

// pathOfClientGolang gives the path that the Go client library pushes to.
func pathOfClientGolang(t *testing.T, job, name, value string) string {
	t.Helper()
	var sent doer
	if err := push.New("http://localhost", job).Grouping(name, value).Client(&sent).Delete(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(sent.path, "/metrics")
}

// doer notes where a request goes.
type doer struct{ path string }

func (d *doer) Do(r *http.Request) (*http.Response, error) {
	d.path = r.URL.EscapedPath()
	return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody}, nil
}
