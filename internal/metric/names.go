package metric

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Labels with a special meaning.
const (
	NameLabel     = "__name__"
	JobLabel      = "job"
	InstanceLabel = "instance"
	BucketLabel   = "le"
	QuantileLabel = "quantile"

	// ReservedLabelPrefix begins label names that belong to Prometheus.
	ReservedLabelPrefix = "__"
)

// The families that the gateway makes for every group. Only groups with a time
// to live have the last one.
const (
	PushTime        = "push_time_seconds"
	PushFailureTime = "push_failure_time_seconds"
	PushExpiryTime  = "push_expiry_time_seconds"
)

// IsTime reports whether the gateway makes a family of this name, so that it
// cannot be pushed.
func IsTime(name string) bool {
	return name == PushTime || name == PushFailureTime || name == PushExpiryTime
}

// Suffixes of the lines that a summary or a histogram exposes under names other
// than its own.
const (
	CountSuffix  = "_count"
	SumSuffix    = "_sum"
	BucketSuffix = "_bucket"
)

// IsLegacyName reports whether the text format can hold name without quotes:
// [a-zA-Z_:][a-zA-Z0-9_:]*.
func IsLegacyName(name string) bool {
	if name == "" || isDigit(name[0]) {
		return false
	}
	for i := 0; i < len(name); i++ {
		if !isLabelByte(name[i]) && name[i] != ':' {
			return false
		}
	}
	return true
}

// IsLegacyLabel is IsLegacyName for labels, which must not have a colon.
func IsLegacyLabel(name string) bool {
	if name == "" || isDigit(name[0]) {
		return false
	}
	for i := 0; i < len(name); i++ {
		if !isLabelByte(name[i]) {
			return false
		}
	}
	return true
}

// IsName reports whether name is valid for a family or a label at all: any
// UTF-8 except NUL, at which Prometheus' lexer stops.
func IsName(name string) bool {
	return name != "" && utf8.ValidString(name) && strings.IndexByte(name, 0) < 0
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isLabelByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || isDigit(b)
}

// Escaping is a way to write names that are not legacy names, for readers that
// only know those.
type Escaping uint8

// The escapings that a scrape can ask for, under the names it uses for them.
// UTF8 leaves names unchanged.
const (
	Underscores Escaping = iota
	Dots
	Values
	UTF8
)

var escapingNames = [...]string{"underscores", "dots", "values", "allow-utf-8"}

// Escapings lists all of them.
var Escapings = [...]Escaping{Underscores, Dots, Values, UTF8}

// String returns the name of the escaping in Accept and Content-Type headers.
func (e Escaping) String() string { return escapingNames[e] }

// ParseEscaping is the reverse of String.
func ParseEscaping(s string) (Escaping, bool) {
	for i, name := range escapingNames {
		if s == name {
			return Escaping(i), true
		}
	}
	return 0, false
}

// EscapeName returns the name of a family under e. Legacy names stay unchanged.
// The schemes are those of prometheus/common/model.
func EscapeName(name string, e Escaping) string {
	if e == UTF8 || IsLegacyName(name) {
		return name
	}
	return escape(name, e, true)
}

// EscapeLabel is EscapeName for the name of a label. prometheus/common takes a
// label with a colon for a legacy name, and Prometheus then refuses the scrape.
// EscapeLabel escapes the colon.
func EscapeLabel(name string, e Escaping) string {
	if e == UTF8 || IsLegacyLabel(name) {
		return name
	}
	return escape(name, e, false)
}

// OtherLabels returns the other names under which scrapes show a label: none, unless its
// name has characters that need escaping.
func OtherLabels(name string) (others []string) {
	if IsLegacyLabel(name) {
		return nil
	}
	for _, e := range Escapings {
		if other := EscapeLabel(name, e); other != name && !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	return others
}

func escape(name string, e Escaping, colon bool) string {
	var b strings.Builder
	if e == Values {
		b.WriteString("U__")
	}
	for i, r := range name {
		plain := r < utf8.RuneSelf && isLabelByte(byte(r)) && (i > 0 || !isDigit(byte(r))) || r == ':' && colon
		switch {
		case plain && (r != '_' || e == Underscores):
			b.WriteRune(r)
		case e == Underscores:
			b.WriteByte('_')
		case e == Dots && r == '.':
			b.WriteString("_dot_")
		case e == Dots || r == '_':
			b.WriteString("__")
		default:
			b.WriteByte('_')
			b.WriteString(strconv.FormatInt(int64(r), 16))
			b.WriteByte('_')
		}
	}
	return b.String()
}

// SuffixBase returns the name of the summary or histogram whose lines name
// would collide with, and whether that may be a summary, which has no buckets.
// An empty base means that name has none of the suffixes.
func SuffixBase(name string) (base string, summaryToo bool) {
	if s, ok := strings.CutSuffix(name, CountSuffix); ok {
		return s, true
	}
	if s, ok := strings.CutSuffix(name, SumSuffix); ok {
		return s, true
	}
	s, _ := strings.CutSuffix(name, BucketSuffix)
	if len(s) == len(name) {
		return "", false
	}
	return s, false
}

// Suffixes returns the suffixes of the lines that a family of type t exposes.
func (t Type) Suffixes() []string {
	switch {
	case t.IsHistogram():
		return histogramSuffixes
	case t == Summary:
		return histogramSuffixes[:2]
	}
	return nil
}

var histogramSuffixes = []string{CountSuffix, SumSuffix, BucketSuffix}
