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

// StatusError is an answer that is not the one that was hoped for.
type StatusError struct {
	Code    int
	Message string // what the gateway says, on one line and not all of a long one
	next    string // what to do about it, where the gateway does not say
	foreign bool   // not in the words of the API: it may be something else that answers
	noTLS   bool   // the server wants TLS, and has not looked at the request
	after   time.Duration
	unnamed bool // no user and password went along
}

func (e *StatusError) Error() string {
	message := e.Message
	if message == "" {
		message = "nothing more"
	}
	return fmt.Sprintf("the gateway answered %d %s: %s%s", e.Code, http.StatusText(e.Code), message, inBrackets(e.next))
}

// Refused tells whether the gateway took a look at a push and refused it:
// trying again would not help.
func Refused(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == http.StatusBadRequest && !status.noTLS
}

// WantsCredentials tells whether the gateway answered that it wants a password
// or a client certificate, where it was given none.
func WantsCredentials(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Code == http.StatusUnauthorized && status.unnamed
	}
	return err != nil && strings.Contains(err.Error(), "remote error: tls: certificate required")
}

// passing tells whether the same request may work later.
func (e *StatusError) passing() bool {
	switch e.Code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return true
	}
	return false
}

// What is read of an answer that is an error, and what is shown of it, in
// bytes. Of a web page the beginning tells enough.
const (
	maxMessage = 100_000
	maxShown   = 2000
	maxPage    = 200
)

// statusError reads an answer to a request for path.
func (c *Client) statusError(res *http.Response, path string) error {
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxMessage)) // a part says enough
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	message, isAPI := messageOf(b)
	limit := maxShown
	if isPage(res) {
		limit = maxPage
	}
	e := &StatusError{Code: res.StatusCode, Message: cut(oneLine(message), limit), foreign: !isAPI, unnamed: c.credentials == "", after: time.Duration(seconds) * time.Second}
	e.noTLS = c.base.Scheme == "http" && c.socket == "" && e.Code == http.StatusBadRequest && wantsTLS(message)
	e.next = c.afterStatus(e, res, path)
	return e
}

// isPage tells of an answer that it is a web page. No gateway answers what is
// asked here with one, but those who want somebody to log in do.
func isPage(res *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return mediaType == "text/html"
}

// wantsTLS finds what servers with TLS answer to those who come without: Go's,
// nginx, Apache.
func wantsTLS(message string) bool {
	for _, s := range []string{"HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled server port"} {
		if strings.Contains(message, s) {
			return true
		}
	}
	return false
}

// afterStatus says what to do about an answer.
func (c *Client) afterStatus(e *StatusError, res *http.Response, path string) string {
	switch {
	case e.noTLS:
		return fmt.Sprintf("%s wants TLS: write https:// in --url", c)
	case e.Code/100 == 3:
		return c.afterRedirect(res, path)
	case e.Code == http.StatusUnauthorized && c.credentials == "":
		return fmt.Sprintf("no user and password went to %s: give --http.config.file with credentials, or a URL with user:password@", c)
	case e.Code == http.StatusUnauthorized:
		return fmt.Sprintf("%s does not take the user and password, or token, of %s: correct them there", c, c.credentials)
	case e.Code == http.StatusProxyAuthRequired:
		return "that is the proxy: give --http.config.file with a proxy_url that has user:password@"
	case e.Code == http.StatusNotFound, e.Code == http.StatusMethodNotAllowed, e.Code/100 == 2:
		return c.afterMiss(e.foreign)
	}
	return ""
}

// afterMiss says what to do where a path leads to nothing that a gateway has.
func (c *Client) afterMiss(foreign bool) string {
	base := *c.base
	for _, end := range []string{"/metrics", "/status", "/api/v1", "/api"} {
		if prefix, ok := strings.CutSuffix(base.Path, end); ok {
			base.Path = prefix
			return fmt.Sprintf("--url takes the address alone, and a route prefix if there is one: try --url=%s", base.Redacted())
		}
	}
	if foreign {
		return fmt.Sprintf("is that a gateway at %s, and does --url have its route prefix?", c)
	}
	return ""
}

// afterRedirect says what to do about a redirect, which is not followed: the
// body of a push would get lost on the way.
func (c *Client) afterRedirect(res *http.Response, path string) string {
	to, err := res.Location()
	if err != nil {
		return fmt.Sprintf("%s redirects without saying where to: correct --url", c)
	}
	to.RawQuery, to.Fragment = "", ""
	base, ok := strings.CutSuffix(to.EscapedPath(), path)
	if ok {
		to.Path, to.RawPath = base, ""
		return fmt.Sprintf("redirects are not followed: try --url=%s", cut(to.Redacted(), maxPage))
	}
	return fmt.Sprintf("it leads to %s, and redirects are not followed: is that a gateway at %s, and does --url have its route prefix?", cut(to.Redacted(), maxPage), c)
}

// unreachable leaves out what every such error says.
func (c *Client) unreachable(err error) error {
	var of *url.Error
	if !errors.As(err, &of) {
		return err
	}
	return fmt.Errorf("the gateway at %s cannot be reached: %w%s", c.host(), of.Err, inBrackets(c.afterFailure(of.Err)))
}

// afterFailure says what to do where no answer came.
func (c *Client) afterFailure(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks HTTP without TLS: write http:// in --url"
	case c.base.Scheme == "http" && strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // an alert of TLS
		return "it wants TLS: write https:// in --url"
	case c.base.Scheme == "http" && errors.Is(err, io.EOF): // as Go does to a DELETE without TLS
		return "it answered nothing: if it wants TLS, write https:// in --url"
	case errors.As(err, new(*net.DNSError)):
		return "correct the name of the host in --url or $PUSHGATEWAY_URL"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time: try again later, give it more time, or correct --url or $PUSHGATEWAY_URL"
	case errors.Is(err, fs.ErrPermission):
		return "run this as a user who may connect there"
	}
	if next := afterTLS(err); next != "" {
		return next
	}
	return "is it running, and do --url or $PUSHGATEWAY_URL give its address?"
}

// afterTLS says what to do where certificates are not what they should be.
func afterTLS(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "give --http.config.file with the ca_file of tls_config"
	case errors.As(err, new(x509.HostnameError)):
		return "write a name that the certificate has in --url, or give --http.config.file with the server_name of tls_config"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate of the gateway, or set the clock"
	case strings.Contains(err.Error(), "remote error: tls: certificate required"), strings.Contains(err.Error(), "remote error: tls: bad certificate"):
		return "give --http.config.file with the cert_file and key_file of tls_config"
	}
	return ""
}

// String is the URL without a password.
func (c *Client) String() string {
	if c.socket != "" {
		return "unix://" + c.socket
	}
	return c.base.Redacted()
}

// host is String without the path.
func (c *Client) host() string {
	if c.socket != "" {
		return c.String()
	}
	return (&url.URL{Scheme: c.base.Scheme, Host: c.base.Host}).String()
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

// cut keeps whole characters of the beginning.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
