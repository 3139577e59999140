// Package grouping converts between the path of a request and a grouping key.
//
// A grouping key consists of the job and any other labels in the URL. It
// identifies a group.
package grouping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// separator separates the parts of a Key. Valid UTF-8 never contains it.
const separator = "\xff"

// Key is a grouping key in canonical form: names and values of the labels,
// sorted by name, all joined with the byte 0xFF. It is comparable, and the
// same bytes that Pushgateway 1.11 uses in its persistence file.
type Key string

var (
	// ErrNoJob means that the path names no job.
	ErrNoJob = errors.New("the job name is empty: push to /metrics/job/<JOB>; maybe a variable of the client is not set")
	// ErrNotText means that a key was decoded but can never be exposed.
	ErrNotText = errors.New("it is not text; write names and values in UTF-8, and names without NUL")
)

// NewKey makes a key from labels. If a name occurs twice, the last one wins,
// and the job always comes from job, as in Pushgateway 1.11.
func NewKey(job string, labels ...metric.Label) (Key, error) {
	if job == "" {
		return "", ErrNoJob
	}
	set := make([]metric.Label, 0, len(labels)+1)
	set = append(set, labels...)
	set = append(set, metric.Label{Name: metric.JobLabel, Value: job})
	slices.SortStableFunc(set, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	set = lastOfEach(set)
	for _, l := range set {
		if !metric.IsName(l.Name) || !utf8.ValidString(l.Value) {
			return "", fmt.Errorf("grouping label %q=%q: %w", excerpt.Of(l.Name), excerpt.Of(l.Value), ErrNotText)
		}
	}
	size := 0
	for _, l := range set {
		size += len(l.Name) + len(l.Value) + 2*len(separator)
	}
	if size > MaxKey {
		return "", fmt.Errorf("the grouping labels take %d bytes, more than the %d allowed; shorten their values", size, MaxKey)
	}
	var b strings.Builder
	for i, l := range set {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(l.Name)
		b.WriteString(separator)
		b.WriteString(l.Value)
	}
	return Key(b.String()), nil
}

// lastOfEach keeps the last label of each name. The labels must be sorted by
// name.
func lastOfEach(labels []metric.Label) []metric.Label {
	kept := labels[:0]
	for i, l := range labels {
		if i+1 == len(labels) || labels[i+1].Name != l.Name {
			kept = append(kept, l)
		}
	}
	return kept
}

// Labels returns the labels of the key, sorted by name. The strings share the
// memory of the key.
func (k Key) Labels() []metric.Label {
	if k == "" {
		return nil
	}
	rest := string(k)
	labels := make([]metric.Label, 0, strings.Count(rest, separator)/2+1)
	for more := true; more; {
		var l metric.Label
		l.Name, rest, _ = strings.Cut(rest, separator)
		l.Value, rest, more = strings.Cut(rest, separator)
		labels = append(labels, l)
	}
	return labels
}

// Value returns the value of one label without decoding the whole key.
func (k Key) Value(name string) (value string, ok bool) {
	for rest, more := string(k), k != ""; more; {
		var n, v string
		n, rest, _ = strings.Cut(rest, separator)
		v, rest, more = strings.Cut(rest, separator)
		if n == name {
			return v, true
		}
	}
	return "", false
}

// AppendLabel appends one label to a key under construction. Names must come in
// sorted order. It is faster than NewKey.
func AppendLabel(key []byte, name, value string) []byte {
	if len(key) > 0 {
		key = append(key, separator...)
	}
	key = append(key, name...)
	key = append(key, separator...)
	return append(key, value...)
}

// With returns the key with further labels. They replace those of the same names.
func (k Key) With(labels ...metric.Label) Key {
	all := slices.DeleteFunc(k.Labels(), func(l metric.Label) bool {
		return slices.ContainsFunc(labels, func(other metric.Label) bool { return other.Name == l.Name })
	})
	all = append(all, labels...)
	slices.SortFunc(all, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
	var key []byte
	for _, l := range all {
		key = AppendLabel(key, l.Name, l.Value)
	}
	return Key(key)
}

// Excerpt is the beginning of String, for messages: a key may be long.
func (k Key) Excerpt() string { return excerpt.Line(k.String(), excerpt.Most) }

// String shows the key as a selector: {instance="i",job="a"}.
func (k Key) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range k.Labels() {
		if i > 0 {
			b.WriteByte(',')
		}
		name := l.Name
		if !metric.IsLegacyLabel(name) {
			name = fmt.Sprintf("%q", name)
		}
		fmt.Fprintf(&b, "%s=%q", name, l.Value)
	}
	b.WriteByte('}')
	return b.String()
}

// MaxKey bounds the size of a grouping key in bytes. Keys are also keys in
// bbolt, which accepts no longer ones.
const MaxKey = 32_000
