// Package sniff guesses what the body of a push is that could not be read: by
// its first bytes, its headers, and the line at which reading stopped. It only
// explains a refusal, and decides about none.
package sniff

import (
	"bytes"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Sent is a body that could not be read, and what is known about it.
type Sent struct {
	Header   http.Header
	Body     []byte // unpacked as far as the gateway could
	Unpacked bool   // something was unpacked
	Protobuf bool   // it was read as protobuf, and not as text
	Line     int    // of text, from 1, at which reading stopped; 0 if unknown
}

// A Hint says what a body most probably is, and what to do.
type Hint struct {
	Says string // "" if nothing can be told
	// Enough says that the error of reading it as something else tells nothing.
	Enough bool
	// Unreadable says that no header would make the gateway read the body.
	Unreadable bool
}

// enough is a hint that needs nothing else.
func enough(says string) Hint { return Hint{Says: says, Enough: true} }

const (
	// mediaProtobuf is the only type under which protobuf is read.
	mediaProtobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
	pushText      = "push the text format of Prometheus, as in my_metric 42"
	head          = 4 << 10 // bytes of a body that are looked at where all would take long
)

// Hint guesses. The surest guesses come first.
func (s Sent) Hint() Hint {
	guesses := []func() Hint{s.protocol, s.form}
	if IsText(s.Body) {
		guesses = append(guesses, s.encoding, s.document, s.mangled, s.textAsProtobuf, s.lines, s.openMetrics, s.curl)
	} else {
		guesses = append(guesses, s.encoding, s.packed, s.protobuf, s.packedPlainly, s.document, s.binary)
	}
	for _, guess := range guesses {
		if h := guess(); h.Says != "" {
			return h
		}
	}
	return Hint{}
}

// IsText tells whether the beginning of a body is text: UTF-8 without control
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

// mediaType is what Content-Type says, without parameters and in lower case.
func (s Sent) mediaType() string {
	media, _, _ := mime.ParseMediaType(s.Header.Get("Content-Type"))
	if media == "" {
		media, _, _ = strings.Cut(s.Header.Get("Content-Type"), ";")
	}
	return strings.ToLower(strings.TrimSpace(media))
}

// protocol finds requests that are meant for other servers.
func (s Sent) protocol() Hint {
	contentType := strings.ToLower(s.Header.Get("Content-Type"))
	switch {
	case s.Header.Get("X-Prometheus-Remote-Write-Version") != "", strings.Contains(contentType, "io.prometheus.write"),
		s.mediaType() == "application/x-protobuf" && isSnappyBlock(s.Body):
		return enough("the request is Prometheus remote write, which this gateway does not take: send it to a Prometheus with --web.enable-remote-write-receiver, or " + pushText)
	case s.mediaType() == "application/x-protobuf" && !IsText(s.Body) && s.protobuf().Says == "":
		return enough("the Content-Type application/x-protobuf is that of OTLP and remote write, which this gateway does not take here: " + pushText)
	}
	return Hint{}
}

// form finds what browsers and curl send as forms.
func (s Sent) form() Hint {
	first := s.Body[:min(len(s.Body), head)]
	multipart := strings.HasPrefix(s.mediaType(), "multipart/") ||
		bytes.HasPrefix(first, []byte("--")) && bytes.Contains(bytes.ToLower(first), []byte("\ncontent-disposition:"))
	if multipart {
		return enough("the body is a form (multipart): send the metrics alone as the body; with curl, use --data-binary instead of -F")
	}
	if s.mediaType() == "application/x-www-form-urlencoded" && fields.Match(bytes.TrimSpace(first)) {
		return enough("the body is fields of a form: send the metrics alone as the body; with curl, use --data-binary")
	}
	return Hint{}
}

var fields = regexp.MustCompile(`^[^\s{}=&%]+=[^\s{}=&%]*(&[^\s{}=&%]+=[^\s{}=&%]*)*$`)
