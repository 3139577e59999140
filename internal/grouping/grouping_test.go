package grouping

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

func TestDecode(t *testing.T) {
	long := "job/a" + strings.Repeat("/l/v", guard.KeyLimits{}.WithDefaults().Labels+1)
	tests := []struct {
		path string
		utf8 bool
		want string // as Key.String, or a part of the error
		ok   bool
	}{
		{"job/a", false, `{job="a"}`, true},
		{"job/a/", false, `{job="a"}`, true},
		{"job/a/x/1/b/2", false, `{b="2",job="a",x="1"}`, true},
		{"job/a/x/", false, `{job="a",x=""}`, true},
		{"job/a/x/1/x/2", false, `{job="a",x="2"}`, true},
		{"job/a/job/b", false, `{job="a"}`, true},
		{"job/a/x@base64/L3Zhci90bXA=", false, `{job="a",x="/var/tmp"}`, true},
		{"job/a/x@base64/L3Zhci90bXA", false, `{job="a",x="/var/tmp"}`, true},
		{"job/a/x@base64/=", false, `{job="a",x=""}`, true},
		{"job/a/x@base64/Li4", false, `{job="a",x=".."}`, true},
		{"job@base64/Lw/x/1", false, `{job="/",x="1"}`, true},
		{"job/a/x/%FF/x/1", false, `{job="a",x="1"}`, true},
		{"job/a/job@base64/_w", false, `{job="a"}`, true},
		{"job/a/U__a_2e_b/c", false, `{U__a_2e_b="c",job="a"}`, true},
		{"job/a/U__a_2e_b/c", true, `{"a.b"="c",job="a"}`, true},
		{"job/a/U__a_2e_b@base64/Yw", true, `{"a.b"="c",job="a"}`, true},
		{"job/%2Fvar%2Ftmp/path/a%2fb/x/y", false, `{job="/var/tmp",path="a/b",x="y"}`, true},
		{"job/a%20b/x/%25", false, `{job="a b",x="%"}`, true},
		{"job/a/x/..%2fb", false, `{job="a",x="../b"}`, true},
		{"job/a/x", false, "name/value pairs, but the name \"x\" has no value", false},
		{"job/a/x/y/", false, "leave out that slash", false},
		{"job", false, "job name is empty", false},
		{"job/", false, "job name is empty", false},
		{"job//x/y", false, "job name is empty", false},
		{"job@base64/=", false, "job name is empty", false},
		{"job/a//b", false, "empty part after \"job/a\"", false},
		{"job/a/x//", false, "empty part after \"job/a/x\"", false},
		{"job/a//", false, "empty part", false},
		{"job/a/x/..", false, "write it as x@base64/Li4", false},
		{"job/a/x/%2e%2E", false, "write it as x@base64/Li4", false},
		{"job/a/x/.", false, "write it as x@base64/Lg", false},
		{"job/..", false, "write it as job@base64/Li4", false},
		{"job/a/../b", false, "write the path without it", false},
		{"job/../job/b", false, "remove from paths", false},
		{"job/a/__x/1", false, "reserved", false},
		{"job/a/U____x/1", true, `{_x="1",job="a"}`, true},
		{"job/a/a-b/1", false, "not a valid label name", false},
		{"job/a/a%2Fb/1", false, "not a valid label name", false},
		{"job/a/a%2Fb/1", true, `{"a/b"="1",job="a"}`, true},
		{"job/a/é/1", false, "--push.enable-utf8-names", false},
		{"job/a/é/1", true, `{job="a","é"="1"}`, true},
		{"job/a/x@base64/..", false, `label "x" is "..", which proxies and clients remove from paths; write it as x@base64/Li4`, false},
		{"job@base64/.", false, "write it as job@base64/Lg", false},
		{"job/a/x/http://b", false, "empty part after \"job/a/x/http:\"; write a value with slashes, such as a URL, as <NAME>@base64/<BASE64URL>", false},
		{"job/a/x/%FF", false, "write names and values in UTF-8", false},
		{"job/a/a%00b/1", true, "NUL", false},
		{"job/a/x@base64/!", false, `the value "!" of grouping label "x" is not base64url: use letters, digits, - and _ only; or write x without @base64`, false},
		{"job/a/x@base64/a%2Bb%2F", false, "write - instead of +, and _ instead of /", false},
		{"job@base64/!", false, `the value "!" of grouping label "job" is not base64url`, false},
		{"job/a/x@BASE64/YQ", false, "to mark the value as base64url, write x@base64", false},
		{"job/a/x@base64url/YQ", false, "write x@base64", false},
		{"job/a/x@b64/YQ", false, "write x@base64", false},
		{"job/a/x@Base64/YQ", true, `{job="a","x@Base64"="YQ"}`, true},
		{"job/a/x@backup/YQ", false, "--push.enable-utf8-names", false},
		{"job/a/x/%zz", false, "%zz", false},
		{long, false, "grouping labels", false},
	}
	for _, tt := range tests {
		key, err := Decoder{UTF8Names: tt.utf8}.Decode(tt.path)
		switch {
		case tt.ok && (err != nil || key.String() != tt.want):
			t.Errorf("%q: got %s, %v, want %s", tt.path, key, err, tt.want)
		case !tt.ok && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: got %s, %v, want an error with %q", tt.path, key, err, tt.want)
		}
	}
	if _, err := (Decoder{}).Decode("job@base64/_w"); !errors.Is(err, ErrNotText) {
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
		d := Decoder{UTF8Names: utf8Names}
		key, err := d.Decode(strings.TrimPrefix(path, "/metrics/"))
		if err != nil {
			return
		}
		checkKey(t, key)
		again, err := d.Decode(encodeLabels(key))
		if err == nil && again != key && !slices.ContainsFunc(key.Labels(), needsUTF8) {
			t.Fatalf("%s, written in base64, became %s", key, again)
		}
	})
}

func needsUTF8(l metric.Label) bool {
	return !metric.IsLegacyLabel(l.Name) || strings.HasPrefix(l.Name, "U__")
}

// encodeLabels writes all labels with their values in base64.
func encodeLabels(key Key) string {
	job, _ := key.Value(metric.JobLabel)
	var b strings.Builder
	b.WriteString("job@base64/" + base64.RawURLEncoding.EncodeToString([]byte(job)))
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
