package grouping

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/prometheus/common/model"

	"pushgateway/internal/metric"
)

// Path is the key as a URL path, "/job/<job>/<name>/<value>…", percent-encoded,
// which Decode reads. Label names beyond [a-zA-Z_][a-zA-Z0-9_]* are written in
// the U__ escaping, which only a gateway with --push.enable-utf8-names reads.
func (k Key) Path() string {
	var b strings.Builder
	job, _ := k.Value(metric.JobLabel)
	appendPath(&b, metric.JobLabel, job)
	for _, l := range k.Labels() {
		if l.Name != metric.JobLabel {
			appendPath(&b, model.EscapeName(l.Name, model.ValueEncodingEscaping), l.Value)
		}
	}
	return b.String()
}

// appendPath writes one label. What cannot be part of a path, or would be
// cleaned away, is written in base64.
func appendPath(b *strings.Builder, name, value string) {
	b.WriteString("/" + name)
	switch {
	case value == "":
		b.WriteString(base64Suffix + "/=")
	case strings.Contains(value, "/"), isDots(value):
		b.WriteString(base64Suffix + "/" + base64.RawURLEncoding.EncodeToString([]byte(value)))
	default:
		b.WriteString("/" + url.PathEscape(value))
	}
}
