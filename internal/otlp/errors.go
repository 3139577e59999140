package otlp

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// paths are those of the protocol, below the prefix of the gateway.
var paths = []string{"/v1/metrics", "/api/v1/otlp/v1/metrics"}

// Errors gives errors of requests in the protocol its form, whoever answers them:
// clients understand no other. It goes in front of everything that may refuse a
// request. prefix precedes the paths.
func Errors(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, known := EncodingOf(r.Header.Get("Content-Type"))
		at, below := strings.CutPrefix(path.Clean(r.URL.Path), prefix)
		if !below || !slices.Contains(paths, at) || !known && r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		a := &answer{ResponseWriter: w, encoding: e}
		next.ServeHTTP(a, r)
		a.finish()
	})
}

// answer is an answer that may become an error. An error has a text, which it
// gathers.
type answer struct {
	http.ResponseWriter
	encoding Encoding
	status   int // of an error that is not in the form of the protocol
	begun    bool
	text     []byte
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	const isError, informational = 400, 200
	switch {
	case a.begun:
		return
	case status >= isError && a.Header().Get("Content-Type") != mediaTypes[a.encoding]:
		a.status = status
	default:
		a.ResponseWriter.WriteHeader(status)
	}
	a.begun = status >= informational
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	if a.status == 0 {
		return a.ResponseWriter.Write(b)
	}
	const longest = 16 << 10
	a.text = append(a.text, b[:min(len(b), longest-len(a.text))]...)
	return len(b), nil
}

// finish writes the error, if it is one.
func (a *answer) finish() {
	if a.status == 0 {
		return
	}
	text := strings.TrimSuffix(strings.ToValidUTF8(string(a.text), "\uFFFD"), "\n")
	if text == "" {
		text = strconv.Itoa(a.status) + " " + http.StatusText(a.status)
	}
	a.Header().Del("Content-Length")
	WriteError(a.ResponseWriter, a.encoding, a.status, text)
}

// WriteError answers a request that was not taken, with a google.rpc.Status.
func WriteError(w http.ResponseWriter, e Encoding, status int, text string) {
	w.Header().Set("Content-Type", mediaTypes[e])
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	code := codeOf(status)
	if e == JSON {
		writeJSON(w, struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{code, text})
		return
	}
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), text)
	_, _ = w.Write(b)
}

// codes are those of google.rpc.Code for statuses. The others mean an invalid
// argument.
var codes = map[int]int{
	http.StatusUnauthorized:          16, // unauthenticated
	http.StatusForbidden:             7,  // permission denied
	http.StatusNotFound:              5,
	http.StatusMethodNotAllowed:      12, // unimplemented
	http.StatusRequestEntityTooLarge: 8,  // resource exhausted
	http.StatusTooManyRequests:       8,
	http.StatusUnprocessableEntity:   9, // failed precondition
	http.StatusInternalServerError:   13,
	http.StatusServiceUnavailable:    14,
}

// codeOf returns the code of google.rpc.Code for a status.
func codeOf(status int) int {
	const invalidArgument = 3
	return cmp.Or(codes[status], invalidArgument)
}
