package grouping

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"pushgateway/internal/metric"
)

// Path returns the key as a URL path, "/job/<job>/<name>/<value>…",
// percent-encoded, as Decode reads it. Label names beyond
// [a-zA-Z_][a-zA-Z0-9_]* need a gateway with --push.enable-utf8-names. Other
// gateways refuse the path, unless the key is Ambiguous.
func (k Key) Path() string {
	var b strings.Builder
	job, _ := k.Value(metric.JobLabel)
	appendPath(&b, metric.JobLabel, job)
	for _, l := range k.Labels() {
		if l.Name != metric.JobLabel {
			appendPath(&b, nameInPath(l.Name), l.Value)
		}
	}
	return b.String()
}

// Ambiguous reports whether a gateway without --push.enable-utf8-names takes
// the Path for that of another key: {"a/b"="x"} is written as U__a_2f_b, which
// is an ordinary name there.
func (k Key) Ambiguous() bool {
	escaped := false
	for _, l := range k.Labels() {
		if metric.IsLegacyLabel(l.Name) {
			continue
		}
		if !metric.IsLegacyLabel(nameInPath(l.Name)) {
			return false
		}
		escaped = true
	}
	return escaped
}

// nameInPath returns a name unchanged if a path can hold it, so that a gateway
// which does not decode U__ escapes notices. In other names it escapes only
// what a path cannot hold.
func nameInPath(name string) string {
	if metric.IsLegacyLabel(name) {
		return name
	}
	holds := !strings.Contains(name, "/") && name != "." && name != ".." && !strings.HasSuffix(name, base64Suffix)
	if holds && !strings.HasPrefix(name, escapedPrefix) {
		return name
	}
	var b strings.Builder
	b.WriteString(escapedPrefix)
	for _, r := range name {
		switch r {
		case '_':
			b.WriteString("__")
		case '/', '@':
			fmt.Fprintf(&b, "_%x_", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escapedPrefix is the beginning of names with U__ escapes.
const escapedPrefix = "U__"

// appendPath appends one label. It writes values in base64 that a path cannot
// hold or that proxies would clean away.
func appendPath(b *strings.Builder, name, value string) {
	b.WriteString("/" + url.PathEscape(name))
	switch {
	case value == "":
		b.WriteString(base64Suffix + "/=")
	case strings.Contains(value, "/"), isDots(value):
		b.WriteString(base64Suffix + "/" + base64.RawURLEncoding.EncodeToString([]byte(value)))
	default:
		b.WriteString("/" + url.PathEscape(value))
	}
}
