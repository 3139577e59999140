package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const otlpProto = "application/x-protobuf"

// statusOf reads a google.rpc.Status.
func statusOf(t *testing.T, contentType, body string) (code int, message string) {
	t.Helper()
	if contentType == otlpJSON {
		var s struct {
			Code    int
			Message string
		}
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Errorf("%q: %v", body, err)
		}
		return s.Code, s.Message
	}
	if contentType != otlpProto {
		t.Errorf("the error is %s: %q", contentType, body)
		return 0, body
	}
	for b := []byte(body); len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatalf("the error is %q", body)
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			code, b = int(v), b[n:]
		case num == 2 && typ == protowire.BytesType:
			v, n := protowire.ConsumeString(b)
			message, b = v, b[n:]
		default:
			t.Fatalf("the error is %q", body)
		}
	}
	return code, message
}

// TestOTLPErrors wants a google.rpc.Status in the encoding of the request, whoever
// refuses it.
func TestOTLPErrors(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "web.yml"), fmt.Sprintf("basic_auth_users: {someone: %s}\n", bcryptOf("secret")))
	writeFile(t, filepath.Join(dir, "limits.yml"), "limits: {max_series_per_push: 1}\nrules: [{match: '{job=\"fast\"}', max_pushes_per_second: 0.001}]\n")
	open := start(t, "--web.allowed-hosts=127.0.0.1,gateway", "--config.file="+filepath.Join(dir, "limits.yml"), "--push.max-body-bytes=1000000")
	locked := start(t, "--web.config.file="+filepath.Join(dir, "web.yml"))
	prefixed := startAt(t, "/gw", "--web.route-prefix=/gw")
	fast := strings.ReplaceAll(exportOf("", gaugeOf("1")), `"stringValue":"a"`, `"stringValue":"fast"`)
	open.want(http.StatusOK, http.MethodPost, "/v1/metrics", fast, "Content-Type", otlpJSON)
	for name, c := range map[string]struct {
		to           *server
		method, path string
		body         string
		header       []string
		status, code int
		says         string
		retry        bool
	}{
		"syntax":        {open, "POST", "/v1/metrics", "{\xff", nil, 400, 3, "the body is not OTLP in", false},
		"a parameter":   {open, "POST", "/v1/metrics?instance=keep", "", nil, 400, 3, "instance must be instance=drop", false},
		"a header":      {open, "POST", "/v1/metrics", "", []string{"X-Pushgateway-TTL", "soon"}, 400, 3, "must be a duration", false},
		"an instance":   {open, "POST", "/v1/metrics", "", []string{"X-Pushgateway-Instance", "keep"}, 400, 3, "X-Pushgateway-Instance must be drop", false},
		"a coding":      {open, "POST", "/v1/metrics", "xyz", []string{"Content-Encoding", "gzip"}, 400, 3, "gzip", false},
		"no password":   {locked, "POST", "/v1/metrics", "", nil, 401, 16, "Unauthorized", false},
		"a wrong one":   {locked, "POST", "/api/v1/otlp/v1/metrics", "", []string{"Authorization", "Basic c29tZW9uZTp3cm9uZw=="}, 401, 16, "Unauthorized", false},
		"another site":  {open, "POST", "/v1/metrics", "", []string{"Origin", "http://evil.example.org", "Sec-Fetch-Site", "cross-site"}, 403, 7, "--web.cors.origin", false},
		"another host":  {open, "POST", "/v1/metrics", "", []string{"Host", "evil", "User-Agent", "Mozilla/5.0"}, 403, 7, "--web.allowed-hosts", false},
		"a method":      {open, "PUT", "/v1/metrics", "", nil, 405, 12, "with POST", false},
		"a slash":       {open, "POST", "/v1/metrics/", "", nil, 404, 5, "export metrics over OTLP to /v1/metrics", false},
		"prefix":        {prefixed, "POST", "/api/v1/otlp/v1/metrics?instance=keep", "", nil, 400, 3, "instance=drop", false},
		"a large body":  {open, "POST", "/v1/metrics", strings.Repeat(" ", 1000001), nil, 413, 8, "--push.max-body-bytes", false},
		"many series":   {open, "POST", "/v1/metrics", "JSON" + exportOf("", gaugeOf("1")+`,{"name":"o","gauge":{"dataPoints":[{"asInt":"1"}]}}`), nil, 413, 8, "max_series_per_push", false},
		"too often":     {open, "POST", "/v1/metrics", "JSON" + fast, nil, 429, 8, "max_pushes_per_second", true},
		"another key":   {open, "POST", "/v1/metrics", "JSON" + exportOf("", deltaOf("k", pointOf(1, "1"))), []string{"Idempotency-Key", "a b"}, 400, 3, "Idempotency-Key", false},
		"any other way": {open, "POST", "/v1/metrics", "", []string{"Content-Type", "text/plain"}, 415, 3, "the Content-Type must be", false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, contentType := range []string{otlpJSON, otlpProto} {
				body, inJSON := strings.CutPrefix(c.body, "JSON")
				if inJSON && contentType == otlpProto {
					continue
				}
				req := must(http.NewRequest(c.method, c.to.base+c.path, strings.NewReader(body)))
				req.Header.Set("Content-Type", contentType)
				for i := 0; i < len(c.header); i += 2 {
					req.Header.Set(c.header[i], c.header[i+1])
				}
				req.Host = req.Header.Get("Host")
				a := c.to.with(t).send(req)
				want := contentType
				if a.status == http.StatusUnsupportedMediaType {
					want = otlpProto
				}
				code, message := statusOf(t, a.header.Get("Content-Type"), a.body)
				if a.status != c.status || code != c.code || !strings.Contains(message, c.says) || a.header.Get("Content-Type") != want {
					t.Errorf("%s: got %d %d %q", contentType, a.status, code, message)
				}
				if retry := a.header.Get("Retry-After") != ""; retry != c.retry {
					t.Errorf("%s: Retry-After is %q", contentType, a.header.Get("Retry-After"))
				}
			}
		})
	}
	open.want(http.StatusOK, http.MethodPost, "/v1/metrics", "{}", "Content-Type", otlpJSON)
	if a := open.want(http.StatusMethodNotAllowed, http.MethodGet, "/v1/metrics", ""); !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("a browser gets %s", a.header.Get("Content-Type"))
	}
}

// TestOTLPSlow wants 503 for a body that does not arrive in time: SDKs repeat that,
// but not 408.
func TestOTLPSlow(t *testing.T) {
	s := start(t, "--web.read-timeout=1s")
	for _, path := range []string{"/v1/metrics", "/api/v1/otlp/v1/metrics"} {
		for _, contentType := range []string{otlpJSON, otlpProto} {
			conn := must(net.Dial("tcp", s.addr))
			defer conn.Close()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n{", path, contentType)
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body := string(must(io.ReadAll(res.Body)))
			code, message := statusOf(t, res.Header.Get("Content-Type"), body)
			if res.StatusCode != http.StatusServiceUnavailable || code != 14 || !strings.Contains(message, "--web.read-timeout") || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s %s: got %s %d %q, Retry-After %q", path, contentType, res.Status, code, message, res.Header.Get("Retry-After"))
			}
		}
	}
}
