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
	f.Add("a", "a/b", "x", true)
	f.Add("a", "..", "x", true)
	f.Add("a", "ü@base64", "x", true)
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
		if _, err := decodePath(t, Decoder{}, key.Path()); d.UTF8Names && !metric.IsLegacyLabel(name) && (err == nil) != key.Ambiguous() {
			t.Errorf("%s is written as %q, which is read without UTF-8 names with the error %v; ambiguous: %t", key, key.Path(), err, key.Ambiguous())
		}
		if name == metric.JobLabel || !metric.IsLegacyLabel(name) || isDots(job) || isDots(value) || strings.Contains(job+value, " ") {
			return // which client_golang does not write so that a server reads the same (a space becomes a plus)
		}
		if got, err := decodePath(t, d, pathOfClientGolang(t, job, name, value)); err != nil || got != key {
			t.Errorf("client_golang writes %s so that it is read as %s, %v", key, got, err)
		}
	})
}

// TestNamesInPath writes names so that a gateway which does not take them
// notices, as far as that is possible.
func TestNamesInPath(t *testing.T) {
	for _, c := range []struct {
		name, path string
		ambiguous  bool
	}{
		{"a_b", "/a_b/x", false},
		{"U__a_2d_b", "/U__a_2d_b/x", false},
		{"a-b", "/a-b/x", false},
		{"1", "/1/x", false},
		{"a b%", "/a%20b%25/x", false},
		{"é", "/%C3%A9/x", false},
		{"U__a-b", "/U__U____a-b/x", false},
		{".", "/U__./x", false},
		{"..", "/U__../x", false},
		{"app.example/my_name", "/U__app.example_2f_my__name/x", false},
		{"a-b@base64", "/U__a-b_40_base64/x", false},
		{"a/b", "/U__a_2f_b/x", true},
		{"a@base64", "/U__a_40_base64/x", true},
	} {
		key, err := NewKey("j", metric.Label{Name: c.name, Value: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimPrefix(key.Path(), "/job/j"); got != c.path || key.Ambiguous() != c.ambiguous {
			t.Errorf("%s: got %s, ambiguous: %t; want %s, %t", key, got, key.Ambiguous(), c.path, c.ambiguous)
		}
	}
	key, err := NewKey("j", metric.Label{Name: "a/b", Value: "x"}, metric.Label{Name: "é", Value: "x"})
	if err != nil || key.Ambiguous() {
		t.Errorf("%s is ambiguous, though one of its names is refused: %v", key, err)
	}
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
