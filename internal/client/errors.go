package client

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// statusError is an answer with an unexpected status.
type statusError struct {
	Code    int
	Message string // the message of the gateway, on one line and shortened
	next    string // what to do, if the gateway does not say
	foreign bool   // the answer does not look like the API's: it may come from something else
	noTLS   bool   // the server expects TLS, and has not read the request
	after   time.Duration
	unnamed bool // the request had no user and password
}

func (e *statusError) Error() string {
	message := e.Message
	if message == "" {
		message = "nothing more"
	}
	return fmt.Sprintf("the gateway answered %d %s: %s%s", e.Code, http.StatusText(e.Code), message, inBrackets(e.next))
}

// Refused reports whether the gateway has examined a push and refused it. A
// retry would not help.
func Refused(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.Code == http.StatusBadRequest && !status.noTLS
}

// WantsCredentials reports whether the gateway asked for a password or a client
// certificate and the request had none.
func WantsCredentials(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.Code == http.StatusUnauthorized && status.unnamed
	}
	return err != nil && strings.Contains(err.Error(), "remote error: tls: certificate required")
}

// passing reports whether the same request may succeed later.
func (e *statusError) passing() bool {
	switch e.Code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return true
	}
	return false
}

// How much of an error answer is read, and how much is shown, in bytes. The
// beginning of a web page is enough.
const (
	maxMessage = 100_000
	maxShown   = 2000
	maxPage    = 200
)

// statusError reads the answer to a request for path.
func (c *Client) statusError(res *http.Response, path string) error {
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxMessage)) // a part is enough
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	message, isAPI := messageOf(b)
	limit := maxShown
	if isPage(res) {
		limit = maxPage
	}
	e := &statusError{Code: res.StatusCode, Message: cut(oneLine(message), limit), foreign: !isAPI, unnamed: c.credentials == "", after: time.Duration(seconds) * time.Second}
	e.noTLS = c.base.Scheme == "http" && e.Code == http.StatusBadRequest && wantsTLS(message)
	e.next = c.afterStatus(e, res, path)
	return e
}

// isPage reports whether an answer is a web page. A gateway never answers these
// requests with one, but login pages do.
func isPage(res *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return mediaType == "text/html"
}

// wantsTLS recognizes how servers with TLS answer plain HTTP: Go's, nginx,
// Apache.
func wantsTLS(message string) bool {
	for _, s := range []string{"HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled server port"} {
		if strings.Contains(message, s) {
			return true
		}
	}
	return false
}

// afterStatus returns what to do about an answer.
func (c *Client) afterStatus(e *statusError, res *http.Response, path string) string {
	switch {
	case e.noTLS:
		return fmt.Sprintf("%s expects TLS; write %s in --url", c, c.withTLS())
	case e.Code/100 == 3:
		return c.afterRedirect(res, path)
	case e.Code == http.StatusUnauthorized && c.credentials == "":
		return fmt.Sprintf("no user and password were sent to %s; set them in --http.config.file, give a URL with user:password@, or name the file of a token in $PUSHGATEWAY_TOKEN_FILE", c)
	case e.Code == http.StatusUnauthorized:
		return fmt.Sprintf("%s does not accept the user and password, or the token, of %s; correct them there", c, c.credentials)
	case e.Code == http.StatusProxyAuthRequired:
		return "the answer came from the proxy; give --http.config.file with a proxy_url that has user:password@"
	case e.Code == http.StatusNotFound, e.Code == http.StatusMethodNotAllowed, e.Code/100 == 2:
		return c.afterMiss(e.foreign)
	}
	return ""
}

// afterMiss returns what to do if a path does not exist on a gateway.
func (c *Client) afterMiss(foreign bool) string {
	base := *c.base
	for _, end := range []string{"/metrics", "/status", "/api/v1", "/api"} {
		if prefix, ok := strings.CutSuffix(base.Path, end); ok {
			base.Path = prefix
			return fmt.Sprintf("--url takes the address, and a route prefix if there is one, but no other path; try --url=%s", &Client{base: &base, socket: c.socket})
		}
	}
	if foreign {
		return fmt.Sprintf("is that a gateway at %s, and does --url have its route prefix?", c)
	}
	return ""
}

// afterRedirect returns what to do about a redirect. The client follows none: a
// push would lose its body.
func (c *Client) afterRedirect(res *http.Response, path string) string {
	to, err := res.Location()
	if err != nil {
		return fmt.Sprintf("%s redirects without a location; correct --url", c)
	}
	to.RawQuery, to.Fragment = "", ""
	base, ok := strings.CutSuffix(to.EscapedPath(), path)
	if ok {
		to.Path, to.RawPath = base, ""
		return fmt.Sprintf("redirects are not followed; try --url=%s", cut(to.Redacted(), maxPage))
	}
	return fmt.Sprintf("it redirects to %s, and redirects are not followed; is that a gateway at %s, and does --url have its route prefix?", cut(to.Redacted(), maxPage), c)
}

// unreachable removes what every such error repeats.
func (c *Client) unreachable(err error) error {
	var of *url.Error
	if !errors.As(err, &of) {
		return err
	}
	return fmt.Errorf("the gateway at %s cannot be reached: %w%s", c.host(), of.Err, inBrackets(c.afterFailure(of.Err)))
}

// afterFailure returns what to do if no answer came.
func (c *Client) afterFailure(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks HTTP without TLS; write http:// in --url"
	case c.base.Scheme == "http" && strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // a TLS alert
		return "it expects TLS; write " + c.withTLS() + " in --url"
	case c.base.Scheme == "http" && errors.Is(err, io.EOF): // as Go's server does after a DELETE without TLS
		return "it closed the connection without an answer; if it expects TLS, write " + c.withTLS() + " in --url"
	case errors.As(err, new(*net.DNSError)):
		return "correct the host name in --url or $PUSHGATEWAY_URL"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time; retry later, allow more time, or correct --url or $PUSHGATEWAY_URL"
	case errors.Is(err, fs.ErrPermission):
		return "run this as a user who may connect to the socket"
	}
	if next := afterTLS(err); next != "" {
		return next
	}
	return "is it running, and is its address in --url or $PUSHGATEWAY_URL correct?"
}

// afterTLS returns what to do if a certificate is not accepted.
func afterTLS(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "give --http.config.file with ca_file in tls_config"
	case errors.As(err, new(x509.HostnameError)):
		return "use a host name from the certificate in --url, or give --http.config.file with server_name in tls_config"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate of the gateway, or set the clock"
	case strings.Contains(err.Error(), "remote error: tls: certificate required"), strings.Contains(err.Error(), "remote error: tls: bad certificate"):
		return "give --http.config.file with cert_file and key_file in tls_config"
	}
	return ""
}

// withTLS returns the scheme of URLs of gateways with TLS.
func (c *Client) withTLS() string {
	if c.socket != "" {
		return "https+unix://"
	}
	return "https://"
}

// String returns the URL without the password.
func (c *Client) String() string {
	switch {
	case c.socket == "":
		return c.base.Redacted()
	case c.base.Path != "":
		return c.host() + ":" + c.base.Path
	}
	return c.host()
}

// host is String without the path.
func (c *Client) host() string {
	switch {
	case c.socket == "":
		return (&url.URL{Scheme: c.base.Scheme, Host: c.base.Host}).String()
	case c.base.Scheme == "https":
		return "https+unix://" + c.socket
	}
	return "unix://" + c.socket
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// oneLine joins lines, such as those of a web page.
func oneLine(s string) string {
	var kept []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " ")
}

// cut shortens a text to whole characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
