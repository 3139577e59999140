// Package client talks to a gateway over HTTP, on behalf of a job or of a
// person at a terminal: it pushes, deletes and queries.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/version"

	"pushgateway/internal/grouping"
)

// Config holds the address of a gateway and how to reach it.
type Config struct {
	// URL is like http://host:9091/prefix, with user:password@ before the host
	// for basic auth, or like unix:/run/pushgateway.sock:/prefix, or with
	// https+unix for TLS.
	URL string
	// File names an HTTP client configuration in the format of Prometheus: TLS,
	// basic auth, bearer token, proxy. Empty for none.
	File string
	// TokenFile names a file with a bearer token, which is read for each request.
	// Credentials in URL and File come before it. Empty for none.
	TokenFile string
	// TokenFrom says where TokenFile comes from, for messages.
	TokenFrom string
	// Here means that the URL was found on this machine: the certificate is not
	// verified, and no proxy is used.
	Here bool
	// Retry is how long to retry where that may help; 0 means never. The context
	// may end it earlier. A try during which nothing moves ends at half of the time
	// that is left.
	Retry time.Duration
}

// Client talks to one gateway. It is safe for concurrent use.
type Client struct {
	base        *url.URL
	socket      string // overrides the host of base, unless empty
	credentials string // source of the credentials, "" if there are none
	tokenFile   string // which must not be empty, "" if there is none
	http        *http.Client
	retry       time.Duration
}

// New checks the configuration. It does not connect.
func New(c Config) (*Client, error) {
	base, socket, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	hc := &config.HTTPClientConfig{EnableHTTP2: true, ProxyConfig: config.ProxyConfig{ProxyFromEnvironment: true}}
	if c.File != "" {
		if hc, _, err = config.LoadHTTPConfigFile(c.File); err != nil {
			return nil, fmt.Errorf("reading the HTTP configuration %s: %w", c.File, err)
		}
	}
	if c.Here {
		hc.TLSConfig.InsecureSkipVerify, hc.ProxyConfig = true, config.ProxyConfig{}
		hc.EnableHTTP2 = false // which hides that the server asks for a client certificate
	}
	hc.FollowRedirects = false // after which a push would become a GET
	credentials := ""
	switch {
	case base.User != nil:
		password, _ := base.User.Password()
		hc.BasicAuth, hc.Authorization, hc.OAuth2 = &config.BasicAuth{Username: base.User.Username(), Password: config.Secret(password)}, nil, nil
		base.User, credentials = nil, "--url"
	case hc.BasicAuth != nil || hc.Authorization != nil || hc.OAuth2 != nil:
		credentials = c.File
	case c.TokenFile != "":
		hc.Authorization, credentials = &config.Authorization{Type: "Bearer", CredentialsFile: c.TokenFile}, c.TokenFrom
	}
	tokenFile := ""
	if hc.Authorization != nil {
		tokenFile = hc.Authorization.CredentialsFile
	}
	options := []config.HTTPClientOption{config.WithUserAgent("pushgateway/" + version.Version)}
	if socket != "" {
		hc.ProxyConfig = config.ProxyConfig{}
		options = append(options, config.WithDialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}))
	}
	h, err := config.NewClientFromConfig(*hc, "pushgateway", options...)
	if err != nil {
		return nil, fmt.Errorf("using the HTTP configuration %s: %w", c.File, err)
	}
	return &Client{base: base, socket: socket, credentials: credentials, tokenFile: tokenFile, http: h, retry: c.Retry}, nil
}

func parseURL(s string) (base *url.URL, socket string, err error) {
	if s != "" && !startsWithScheme(s) {
		s = "http://" + s // as client_golang's push does
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// The error of url.Parse contains the URL, and so the password.
		return nil, "", fmt.Errorf("the URL of the gateway must be like http://localhost:9091 or unix:/run/pushgateway.sock: %w", errors.Unwrap(err))
	case isUnix(u.Scheme):
		return parseUnix(u)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname()+u.Port() == "": // :9091 is this machine
		return nil, "", fmt.Errorf("the URL of the gateway: %q must be like http://localhost:9091 or unix:/run/pushgateway.sock", u.Redacted())
	case namesGroup(u.Path):
		return nil, "", fmt.Errorf("the URL of the gateway: %q contains a group; end it before /metrics, and name the group with --job and --label", u.Redacted())
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", "", ""
	return u, "", nil
}

// isUnix reports whether a scheme is for unix sockets.
func isUnix(scheme string) bool { return scheme == "unix" || scheme == "https+unix" }

// parseUnix parses the URL of a socket, with a route prefix after a colon.
func parseUnix(u *url.URL) (base *url.URL, socket string, err error) {
	socket, prefix, _ := strings.Cut(u.Path, ":/")
	if u.Host != "" || socket == "" {
		return nil, "", fmt.Errorf("the URL of the gateway: %q has no path of a socket; write it like unix:/run/pushgateway.sock", u.Redacted())
	}
	base = &url.URL{Scheme: "http", User: u.User, Host: "localhost", Path: strings.TrimRight("/"+prefix, "/")}
	if u.Scheme != "unix" {
		base.Scheme = "https"
	}
	if namesGroup(base.Path) {
		return nil, "", fmt.Errorf("the URL of the gateway: %q contains a group; end it before /metrics, and name the group with --job and --label", u.Redacted())
	}
	return base, socket, nil
}

// startsWithScheme distinguishes http:/host, which lacks a slash, from
// host:9091.
func startsWithScheme(s string) bool {
	scheme, rest, _ := strings.Cut(strings.ToLower(s), ":")
	return isUnix(scheme) || strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/") && (scheme == "http" || scheme == "https")
}

// namesGroup reports whether the path of a URL contains the path of a group. A
// further group after it would become part of its name.
func namesGroup(path string) bool {
	_, rest, ok := strings.Cut(path+"/", "/metrics/job")
	return ok && (strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "@base64/"))
}

// request is one request, which may be sent several times.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte
	once         bool      // do not retry
	progress     io.Writer // receives the bytes sent, unless it is nil
}

// do sends a request, retries it where that may help, and returns an answer
// with a status of 2xx that is not a web page. The caller closes its body.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	if c.retry <= 0 || r.once {
		return c.send(ctx, r)
	}
	until := time.Now().Add(c.retry)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	var last error
	attempt := func() (res *http.Response, err error) {
		res, last = c.try(ctx, r, until)
		return res, again(last)
	}
	growing := backoff.NewExponentialBackOff()
	growing.InitialInterval, growing.MaxInterval = 100*time.Millisecond, 10*time.Second
	res, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(growing), backoff.WithMaxElapsedTime(c.retry))
	if err != nil {
		return nil, last // it says more than that the time is over
	}
	return res, nil
}

// again reports whether to retry, and when.
func again(err error) error {
	var status *statusError
	switch {
	case errors.As(err, new(*tokenError)):
		return backoff.Permanent(err)
	case !errors.As(err, &status):
		return err
	case !status.passing():
		return backoff.Permanent(err)
	case status.after > 0:
		return &backoff.RetryAfterError{Duration: status.after}
	}
	return err
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	if err := c.checkToken(); err != nil {
		return nil, err
	}
	u := c.base.String() + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	body := io.Reader(bytes.NewReader(r.body))
	if r.progress != nil {
		body = io.TeeReader(body, r.progress)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(r.body))
	for name, values := range r.header {
		req.Header[name] = values
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if res.StatusCode/100 == 2 && !isPage(res) {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.statusError(res, r.path)
}

// Push is a push to one group.
type Push struct {
	Key grouping.Key
	// Body is in the text format.
	Body []byte
	// Replace replaces the whole group. Otherwise the push replaces only the
	// families in the body.
	Replace bool
	// Merge is "series" to replace only the series in the body, or "sum" to add the
	// body to what the group has, once, however often the push is retried.
	Merge string
	// Gauges says what adding does to gauges. If empty, the gateway decides.
	Gauges string
	// TTL is a time to live like "2h". If empty, the gateway decides.
	TTL string
	// SeriesTTL is how long the series in the body live unless a push adds to them
	// again, for pushes that add up. If empty, they live as long as the group.
	SeriesTTL string
	// Once turns off retries, whatever the configuration of the client.
	Once bool
	// Progress is called with the size of the push and returns a writer that
	// receives the bytes as they are sent. It may be nil.
	Progress func(size int64) io.Writer
}

// minGzip is the smallest body that is compressed, in bytes.
const minGzip = 1 << 10

// Push sends a push.
func (c *Client) Push(ctx context.Context, p Push) error {
	if err := c.checkNames(ctx, p.Key, p.Once); err != nil {
		return err
	}
	r := request{method: http.MethodPost, path: "/metrics" + p.Key.Path(), header: make(http.Header), body: p.Body, query: make(url.Values)}
	if p.Replace {
		r.method = http.MethodPut
	}
	if p.Merge != "" {
		r.query.Set("merge", p.Merge)
	}
	if p.Merge == "sum" {
		r.header.Set("Idempotency-Key", strconv.Quote(rand.Text()))
	}
	if p.Gauges != "" {
		r.header.Set("X-Pushgateway-Gauges", p.Gauges)
	}
	if p.TTL != "" {
		r.header.Set("X-Pushgateway-TTL", p.TTL)
	}
	if p.SeriesTTL != "" {
		r.header.Set("X-Pushgateway-Series-TTL", p.SeriesTTL)
	}
	r.header.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if len(p.Body) >= minGzip {
		var err error
		if r.body, err = compress(p.Body); err != nil {
			return err
		}
		r.header.Set("Content-Encoding", "gzip")
	}
	r.once = p.Once
	if p.Progress != nil {
		r.progress = p.Progress(int64(len(r.body)))
	}
	return c.discard(ctx, r)
}

func compress(b []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("compressing the push: %w", err)
	}
	return packed.Bytes(), nil
}

// Delete deletes a group. Deleting a group that does not exist is no error.
func (c *Client) Delete(ctx context.Context, key grouping.Key) error {
	if err := c.checkNames(ctx, key, false); err != nil {
		return err
	}
	return c.discard(ctx, request{method: http.MethodDelete, path: "/metrics" + key.Path()})
}

// Absent reports whether the gateway says that a group does not exist. Other
// implementations do not say so.
func (c *Client) Absent(ctx context.Context, key grouping.Key) bool {
	if c.checkNames(ctx, key, false) != nil {
		return false
	}
	var status *statusError
	err := c.discard(ctx, request{method: http.MethodGet, path: "/api/v1/group" + key.Path()})
	return errors.As(err, &status) && status.Code == http.StatusNotFound && !status.foreign
}

func (c *Client) discard(ctx context.Context, r request) error {
	res, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxMessage)) // so that the connection can be used again
	return nil
}

// Text writes a group in the text format, as scrapes get it.
func (c *Client) Text(ctx context.Context, key grouping.Key, w io.Writer) error {
	if err := c.checkNames(ctx, key, false); err != nil {
		return err
	}
	accept := http.Header{"Accept": {"text/plain; version=1.0.0; escaping=allow-utf-8"}}
	return c.copy(ctx, request{method: http.MethodGet, path: "/api/v1/group" + key.Path(), query: url.Values{"format": {"text"}}, header: accept}, w)
}

// Snapshot writes a persistence file with all groups.
func (c *Client) Snapshot(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, request{method: http.MethodGet, path: "/api/v1/admin/snapshot"}, w)
}

func (c *Client) copy(ctx context.Context, r request, w io.Writer) error {
	res, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(w, res.Body)
	if err == nil && n != res.ContentLength && res.ContentLength >= 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Check requests a path that tells the state of the gateway, like "/-/ready".
func (c *Client) Check(ctx context.Context, path string) error {
	path, query, _ := strings.Cut(path, "?")
	v, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	return c.discard(ctx, request{method: http.MethodGet, path: path, query: v})
}
