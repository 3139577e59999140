package grouping

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pushgateway/internal/metric"
)

func TestDecode(t *testing.T) {
	long := strings.Repeat("/l/v", maxLabels+1)
	tests := []struct {
		job, labels string
		utf8        bool
		want        string // as Key.String, or a part of the error
		ok          bool
	}{
		{"a", "", false, `{job="a"}`, true},
		{"a", "/", false, `{job="a"}`, true},
		{"a", "/x/1/b/2", false, `{b="2",job="a",x="1"}`, true},
		{"a", "/x/", false, `{job="a",x=""}`, true},
		{"a", "/x/1/x/2", false, `{job="a",x="2"}`, true},
		{"a", "/job/b", false, `{job="a"}`, true},
		{"a", "/x@base64/L3Zhci90bXA=", false, `{job="a",x="/var/tmp"}`, true},
		{"a", "/x@base64/L3Zhci90bXA", false, `{job="a",x="/var/tmp"}`, true},
		{"a", "/x@base64/=", false, `{job="a",x=""}`, true},
		{"a", "/x/\xff/x/1", false, `{job="a",x="1"}`, true},
		{"a", "/job@base64/_w", false, `{job="a"}`, true},
		{"a", "/U__a_2e_b/c", false, `{U__a_2e_b="c",job="a"}`, true},
		{"a", "/U__a_2e_b/c", true, `{"a.b"="c",job="a"}`, true},
		{"a", "/U__a_2e_b@base64/Yw", true, `{"a.b"="c",job="a"}`, true},
		{"a", "/x", false, "name/value", false},
		{"", "", false, "job name is empty", false},
		{"a", "/__x/1", false, "reserved", false},
		{"a", "/U____x/1", true, `{_x="1",job="a"}`, true},
		{"a", "/a-b/1", false, "not a valid label name", false},
		{"a", "/é/1", false, "--push.enable-utf8-names", false},
		{"a", "/é/1", true, `{job="a","é"="1"}`, true},
		{"a", "/x/\xff", false, "not valid UTF-8", false},
		{"a", "/a\x00b/1", true, "NUL", false},
		{"a", "/x@base64/!", false, "base64", false},
		{"a", long, false, "grouping labels", false},
	}
	for _, tt := range tests {
		key, err := Decoder{UTF8Names: tt.utf8}.Decode("job", tt.job, tt.labels)
		switch {
		case tt.ok && (err != nil || key.String() != tt.want):
			t.Errorf("%q %q: got %s, %v, want %s", tt.job, tt.labels, key, err, tt.want)
		case !tt.ok && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q %q: got %s, %v, want an error with %q", tt.job, tt.labels, key, err, tt.want)
		}
	}
	if _, err := (Decoder{}).Decode("job@base64", "_w", ""); !errors.Is(err, ErrNotText) {
		t.Errorf("a job that is not UTF-8: got %v", err)
	}
}

// FuzzDecode holds keys to their form, and to naming the same group however
// their labels are written.
func FuzzDecode(f *testing.F) {
	for _, path := range recordedPaths(f) {
		f.Add(path, true)
		f.Add(path, false)
	}
	f.Fuzz(func(t *testing.T, path string, utf8Names bool) {
		path, err := url.PathUnescape(path)
		if err != nil {
			return
		}
		job, labels, _ := strings.Cut(strings.TrimPrefix(path, "/metrics/job/"), "/")
		d := Decoder{UTF8Names: utf8Names}
		key, err := d.Decode("job", job, "/"+labels)
		if err != nil {
			return
		}
		checkKey(t, key)
		again, err := d.Decode("job@base64", base64.RawURLEncoding.EncodeToString([]byte(job)), encodeLabels(key))
		if err == nil && again != key && !slices.ContainsFunc(key.Labels(), needsUTF8) {
			t.Fatalf("%s, written in base64, became %s", key, again)
		}
	})
}

func needsUTF8(l metric.Label) bool {
	return !metric.IsLegacyLabel(l.Name) || strings.HasPrefix(l.Name, "U__")
}

// encodeLabels writes all labels but the job with their values in base64.
func encodeLabels(key Key) string {
	var b strings.Builder
	for _, l := range key.Labels() {
		if l.Name != metric.JobLabel {
			b.WriteString("/" + l.Name + "@base64/" + base64.URLEncoding.EncodeToString([]byte(l.Value)))
		}
	}
	return b.String()
}

func checkKey(t *testing.T, key Key) {
	t.Helper()
	labels := key.Labels()
	var appended []byte
	for i, l := range labels {
		if i > 0 && labels[i-1].Name >= l.Name {
			t.Fatalf("%q is not sorted, or has a name twice", key)
		}
		if !metric.IsName(l.Name) || !utf8.ValidString(l.Value) || strings.HasPrefix(l.Name, "__") {
			t.Fatalf("%q must not be exposed", l)
		}
		if value, ok := key.Value(l.Name); !ok || value != l.Value {
			t.Fatalf("the value of %q is %q, not %q", l.Name, value, l.Value)
		}
		appended = AppendLabel(appended, l.Name, l.Value)
	}
	if string(appended) != string(key) {
		t.Fatalf("%q, put together again, is %q", key, appended)
	}
	if job, _ := key.Value(metric.JobLabel); job == "" {
		t.Fatalf("%s has no job", key)
	}
	if same, err := NewKey("other", append(labels, labels...)...); err != nil || len(same.Labels()) != len(labels) {
		t.Fatalf("%s, every label twice: %s, %v", key, same, err)
	}
}

func recordedPaths(f *testing.F) (paths []string) {
	file, err := os.ReadFile("../../testdata/compat/scenarios.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		var s struct{ Requests []struct{ Path string } }
		if err := json.Unmarshal(line, &s); err != nil {
			f.Fatal(err)
		}
		for _, r := range s.Requests {
			paths = append(paths, r.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
