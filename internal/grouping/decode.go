package grouping

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/prometheus/common/model"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// base64Suffix marks a label whose value is base64url, with or without padding.
const base64Suffix = "@base64"

// Decoder decodes paths. The zero value is ready for use.
type Decoder struct {
	// UTF8Names allows label names beyond [a-zA-Z_][a-zA-Z0-9_]*, which may also
	// have U__ escapes.
	UTF8Names bool
	Limits    guard.KeyLimits
}

// Decode decodes a grouping key from what follows /metrics/ in the path of a
// request: job/<job>{/<name>/<value>}, still percent-encoded, so that an
// escaped slash belongs to its part. A single slash at the end stands for an
// empty value, or after the job for nothing, as in Pushgateway 1.11.
func (d Decoder) Decode(path string) (Key, error) {
	parts, err := split(path, d.Limits.WithDefaults())
	if err != nil {
		return "", err
	}
	job := parts[1]
	if parts[0] == metric.JobLabel+base64Suffix {
		if job, err = decodeBase64(job); err != nil {
			return "", notBase64(parts[1], metric.JobLabel)
		}
	}
	if job == "" {
		return "", ErrNoJob
	}
	labels, err := d.decodeLabels(parts[2:])
	if err != nil {
		return "", err
	}
	return NewKey(job, labels...)
}

// split returns the unescaped parts of a path: the name of the job label and its
// value, then the names and values of the other labels. It refuses too many of
// these.
func split(path string, l guard.KeyLimits) ([]string, error) {
	if n := strings.Count(path, "/") + 1; n > 2*l.Labels+3 {
		return nil, tooMany(n/2-1, l)
	}
	parts := strings.Split(path, "/")
	if len(parts) == 1 || parts[1] == "" {
		return nil, ErrNoJob
	}
	last := len(parts) - 1
	for i, part := range parts {
		if part == "" && i < last {
			return nil, emptyPart(parts[:i])
		}
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return nil, fmt.Errorf("reading the part %q of the path: %w", excerpt.Of(part), err)
		}
		if isDots(parts[i]) {
			return nil, dotsError(parts, i)
		}
	}
	if len(parts) == 3 && parts[2] == "" {
		parts = parts[:2]
	}
	if len(parts)%2 != 0 {
		return nil, unpaired(parts[2:])
	}
	return parts, nil
}

func tooMany(labels int, l guard.KeyLimits) error {
	says := fmt.Sprintf("the path has %d grouping labels, more than the %d allowed", labels, l.Labels)
	if at := l.Sources[guard.LimitGroupingLabels]; at != "" {
		return &guard.LimitError{Limit: guard.LimitGroupingLabels, At: at, Says: says, Advice: "leave some out"}
	}
	return errors.New(says)
}

// emptyPart is the error for two slashes in a row after parts.
func emptyPart(parts []string) error {
	before := strings.Join(parts, "/")
	advice := "write an empty value as <NAME>@base64/=; maybe a variable of the client is not set"
	if strings.HasSuffix(before, ":") {
		advice = "write a value with slashes, such as a URL, as <NAME>@base64/<BASE64URL>"
	}
	return fmt.Errorf("the path has an empty part after %q; %s", excerpt.Of(before), advice)
}

// isDots reports whether a part is "." or "..", which proxies and clients that
// clean paths interpret.
func isDots(part string) bool { return part == "." || part == ".." }

func dotsError(parts []string, i int) error {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(parts[i]))
	if i%2 == 0 {
		return fmt.Errorf("the path has the part %q in the place of a grouping label name; write the path without it", parts[i])
	}
	name := strings.TrimSuffix(parts[i-1], base64Suffix)
	return fmt.Errorf("the value of grouping label %q is %q, which proxies and clients remove from paths; write it as %s%s/%s", excerpt.Of(name), parts[i], excerpt.Of(name), base64Suffix, encoded)
}

// unpaired is the error for a path with an odd number of parts after the job.
func unpaired(parts []string) error {
	last := parts[len(parts)-1]
	if last == "" {
		return errors.New("the path after the job must consist of name/value pairs, but it ends with a slash after the last value; leave out that slash")
	}
	return fmt.Errorf("the path after the job must consist of name/value pairs, but the name %q has no value; write values that are empty or have slashes as <NAME>@base64/<BASE64URL>", excerpt.Of(last))
}

// decodeLabels decodes alternating names and values.
func (d Decoder) decodeLabels(parts []string) ([]metric.Label, error) {
	labels := make([]metric.Label, 0, len(parts)/2)
	for i := 0; i < len(parts); i += 2 {
		l := metric.Label{Name: parts[i], Value: parts[i+1]}
		if err := d.decodeLabel(&l); err != nil {
			return nil, err
		}
		labels = append(labels, l)
	}
	return labels, nil
}

func (d Decoder) decodeLabel(l *metric.Label) error {
	name, isBase64 := strings.CutSuffix(l.Name, base64Suffix)
	if d.UTF8Names {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if err := d.CheckName(name); err != nil {
		return err
	}
	l.Name = name
	if !isBase64 {
		return nil
	}
	value, err := decodeBase64(l.Value)
	if err != nil {
		return notBase64(l.Value, name)
	}
	l.Value = value
	return nil
}

// CheckName returns why a name cannot be a label of a grouping key.
func (d Decoder) CheckName(name string) error {
	switch {
	case strings.HasPrefix(name, metric.ReservedLabelPrefix):
		return fmt.Errorf("grouping label %q is not allowed: names that start with __ are reserved for Prometheus", excerpt.Of(name))
	case d.UTF8Names && !metric.IsName(name):
		return fmt.Errorf("grouping label %q is not a valid label name: it must be UTF-8, without a NUL, and not empty", excerpt.Of(name))
	case !d.UTF8Names && base64Like(name) != "":
		return fmt.Errorf("grouping label %q is not a valid label name: to mark the value as base64url, write %s%s", excerpt.Of(name), excerpt.Of(base64Like(name)), base64Suffix)
	case !d.UTF8Names && !metric.IsLegacyLabel(name):
		return fmt.Errorf("grouping label %q is not a valid label name: it must match [a-zA-Z_][a-zA-Z0-9_]* (other names need --push.enable-utf8-names)", excerpt.Of(name))
	}
	return nil
}

// base64Like returns the label of a name that ends with a misspelt suffix, like
// path@BASE64 or path@base64url.
func base64Like(name string) string {
	label, suffix, _ := strings.Cut(strings.ToLower(name), "@")
	if !metric.IsLegacyLabel(label) || !strings.HasPrefix(suffix, "b") || !strings.Contains(suffix, "64") {
		return ""
	}
	return name[:len(label)]
}

// notBase64 explains why a value cannot be decoded.
func notBase64(value, name string) error {
	advice := "use letters, digits, - and _ only"
	if strings.ContainsAny(value, "+/") {
		advice = "write - instead of +, and _ instead of /"
	}
	return fmt.Errorf("the value %q of grouping label %q is not base64url: %s; or write %s without %s", excerpt.Of(value), excerpt.Of(name), advice, excerpt.Of(name), base64Suffix)
}

// decodeBase64 accepts the URL-safe alphabet. Padding is optional.
func decodeBase64(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	return string(b), err
}
