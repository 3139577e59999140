// Package sniff guesses what an unreadable body of a push is: by its first
// bytes, its headers, and the line at which parsing stopped. It only explains a
// refusal, and never causes one.
package sniff

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A Format is a format that the gateway reads. The zero value is that of text.
type Format struct {
	Name        string // as in "the body is protobuf"
	ContentType string // the header that asks for it
	Binary      bool   // its bodies are not text
	// Looks reports whether a body begins like one of this format. It is nil if
	// that cannot be told.
	Looks func(body []byte) bool
}

// Sent is an unreadable body, and what is known about it.
type Sent struct {
	Header   http.Header
	Body     []byte   // decompressed as far as the gateway could
	Unpacked bool     // the gateway decompressed something
	As       Format   // it was parsed as this
	Formats  []Format // all that the gateway reads
	Line     int      // line of the text, from 1, at which parsing stopped; 0 if unknown
}

// A Hint says what a body most probably is, and what to do.
type Hint struct {
	Says string // "" if unknown
	// Enough means that the parse error adds nothing to the hint.
	Enough bool
	// Unreadable means that no header would make the gateway read the body.
	Unreadable bool
}

// enough returns a hint that needs no parse error.
func enough(says string) Hint { return Hint{Says: says, Enough: true} }

const (
	// ProtobufType is the only content type that is parsed as protobuf.
	ProtobufType = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
	// OpenMetricsType is the content type of OpenMetrics.
	OpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
	pushText        = "push the text format of Prometheus, as in my_metric 42"
	head            = 4 << 10 // how many bytes of a body are checked where checking all would take long
)

// Hint guesses. It tries the most certain guesses first.
func (s Sent) Hint() Hint {
	guesses := []func() Hint{s.protocol, s.form}
	if IsText(s.Body) {
		guesses = append(guesses, s.encoding, s.document, s.mangled, s.textAsBinary, s.lines, s.openMetrics, s.misnamed, s.curl)
	} else {
		guesses = append(guesses, s.encoding, s.packed, s.families, s.packedPlainly, s.document, s.binary)
	}
	for _, guess := range guesses {
		if h := guess(); h.Says != "" {
			return h
		}
	}
	return Hint{}
}

// IsText reports whether the beginning of a body is text: UTF-8 without control
// characters.
func IsText(body []byte) bool {
	body = body[:min(len(body), head)]
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		switch {
		case r == utf8.RuneError && size == 1 && (i+utf8.UTFMax <= len(body) || utf8.FullRune(body[i:])):
			return false
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return false
		}
		i += size
	}
	return true
}

// mediaType returns the Content-Type in lower case, without parameters.
func (s Sent) mediaType() string {
	media, _, _ := mime.ParseMediaType(s.Header.Get("Content-Type"))
	if media == "" {
		media, _, _ = strings.Cut(s.Header.Get("Content-Type"), ";")
	}
	return strings.ToLower(strings.TrimSpace(media))
}

// protocol recognizes requests that are meant for other servers.
func (s Sent) protocol() Hint {
	contentType := strings.ToLower(s.Header.Get("Content-Type"))
	switch {
	case s.Header.Get("X-Prometheus-Remote-Write-Version") != "", strings.Contains(contentType, "io.prometheus.write"),
		s.mediaType() == "application/x-protobuf" && isSnappyBlock(s.Body):
		return enough("the request is Prometheus remote write, which this gateway does not accept; send it to a Prometheus with --web.enable-remote-write-receiver, or " + pushText)
	case s.mediaType() == "application/x-protobuf" && !IsText(s.Body) && s.families().Says == "":
		return enough("the Content-Type application/x-protobuf is that of OTLP, which goes to /v1/metrics, and of remote write, which this gateway does not accept; " + pushText)
	}
	return Hint{}
}

// misnamed recognizes another format that the gateway reads.
func (s Sent) misnamed() Hint {
	for _, f := range s.Formats {
		if f.Looks != nil && f.Binary != IsText(s.Body) && f.Looks(s.Body) && f.Name != s.As.Name {
			if s.Header == nil { // it is a file
				return Hint{Says: fmt.Sprintf("the content is %s; send it to the gateway with Content-Type: %s", f.Name, f.ContentType), Enough: f.Binary}
			}
			says := fmt.Sprintf("the body is %s, but its Content-Type does not say so; send Content-Type: %s", f.Name, f.ContentType)
			return Hint{Says: says, Enough: f.Binary}
		}
	}
	return Hint{}
}

// form recognizes forms sent by browsers and curl.
func (s Sent) form() Hint {
	first := s.Body[:min(len(s.Body), head)]
	multipart := strings.HasPrefix(s.mediaType(), "multipart/") ||
		bytes.HasPrefix(first, []byte("--")) && bytes.Contains(bytes.ToLower(first), []byte("\ncontent-disposition:"))
	if multipart {
		return enough("the body is a multipart form; send only the metrics as the body; with curl, use --data-binary instead of -F")
	}
	if s.mediaType() == "application/x-www-form-urlencoded" && fields.Match(bytes.TrimSpace(first)) {
		return enough("the body is a URL-encoded form; send only the metrics as the body; with curl, use --data-binary")
	}
	return Hint{}
}

var fields = regexp.MustCompile(`^[^\s{}=&%]+=[^\s{}=&%]*(&[^\s{}=&%]+=[^\s{}=&%]*)*$`)
