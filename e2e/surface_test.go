package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/bcrypt"
)

// command runs the binary to its end.
func command(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	flags := []string{
		"--web.config.file", "--web.listen-address", "--[no-]web.systemd-socket", "--web.telemetry-path", "--web.external-url",
		"--web.route-prefix", "--[no-]web.enable-lifecycle", "--[no-]web.enable-admin-api", "--persistence.file", "--persistence.interval", "--[no-]persistence.salvage",
		"--[no-]push.disable-consistency-check", "--[no-]push.enable-utf8-names", "--log.level", "--log.format", "--[no-]version",
		"--[no-]web.enable-pprof", "--[no-]web.enable-openmetrics", "--push.max-body-bytes", "--push.max-inflight-bytes", "--web.read-timeout",
		"--push.ttl", "--push.max-ttl", "--push.timestamps", "--[no-]push.lenient-newlines", "--push.reserved-names",
	}
	for _, args := range [][]string{{"-h"}, {"--help"}, {"serve", "--help"}} {
		code, out, _ := command(t, args...)
		if code != 0 {
			t.Errorf("%v: exit code %d", args, code)
		}
		for _, flag := range flags {
			if !strings.Contains(out, flag) {
				t.Errorf("%v does not show %s", args, flag)
			}
		}
	}
	if code, out, _ := command(t, "--version"); code != 0 || !strings.Contains(out, "pushgateway, version ") {
		t.Errorf("--version: %d %q", code, out)
	}
	for _, args := range [][]string{
		{"--persistence.salvage"}, {"--persistence.interval=-1s"}, {"--nonsense"}, {"--web.telemetry-path=metrics"}, {"--web.telemetry-path=/api/v1/x"},
		{"--web.read-timeout=soon"}, {"--push.max-inflight-bytes=much"}, {"--log.level=loud"}, {"--push.max-body-bytes=1"},
		{"--push.max-body-bytes=0"}, {"--push.max-inflight-bytes=1KiB"}, {"--web.read-timeout=-1s"}, {"--web.config.file=/does/not/exist"},
		{"--web.route-prefix=/a:b"}, {"--web.listen-address=127.0.0.1:99999"}, {"--web.listen-address=localhost"},
		{"--push.ttl=soon"}, {"--push.max-ttl=-1h"}, {"--push.ttl=2d", "--push.max-ttl=1d"}, {"--push.timestamps=keep"},
		{"--push.reserved-names=("},
	} {
		// Should it start after all, then not on a port that is taken.
		code, _, errs := command(t, append(args, "--web.listen-address=127.0.0.1:0")...)
		flag, _, _ := strings.Cut(args[0], "=")
		if code == 0 || !strings.Contains(errs, strings.TrimLeft(flag, "-")) && !strings.Contains(errs, "99999") && !strings.Contains(errs, "/does/not/exist") {
			t.Errorf("%v: exit code %d, %q does not name it", args, code, errs)
		}
	}
}

// TestWhatToDoNext wants errors at the start to say how to go on.
func TestWhatToDoNext(t *testing.T) {
	busy := start(t).addr
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--push.max-body-bytes=64 MB"}, `--push.max-body-bytes="64 MB": it is not a size; write it like 64MiB, or as a number of bytes`},
		{[]string{"--push.max-body-bytes=64"}, "--push.max-body-bytes=64B: it must be at least 1KiB; write it like 64MiB"},
		{[]string{"--push.reserved-names=up|("}, `--push.reserved-names="up|(": it is not a regular expression`},
		{[]string{"--web.config.file=/does/not/exist"}, "create it, or leave out the flag"},
		{[]string{"--web.listen-address=9091"}, `--web.listen-address="9091": it must be a host and a port, or a port alone, like 127.0.0.1:9091, [::1]:9091 or :9091`},
		{[]string{"--web.listen-address=" + busy}, "stop the process that uses the port, or set another one with --web.listen-address"},
		{[]string{"--web.systemd-socket"}, "start that unit, or leave out --web.systemd-socket"},
	} {
		if code, _, errs := command(t, c.args...); code == 0 || !strings.Contains(errs, c.says) {
			t.Errorf("%q: exit code %d, %q does not say %q", c.args, code, errs, c.says)
		}
	}
}

func TestQuit(t *testing.T) {
	s := start(t)
	if a := s.do(http.MethodPut, "/-/quit", ""); a.status != http.StatusForbidden {
		t.Errorf("without the flag: got %d", a.status)
	}
	s = start(t, "--web.enable-lifecycle")
	if a := s.do(http.MethodPost, "/-/quit", ""); a.status != http.StatusOK {
		t.Errorf("with the flag: got %d", a.status)
	}
	s.proc.AwaitEnd()
}

func TestProfiles(t *testing.T) {
	if a := start(t).do(http.MethodGet, "/debug/pprof/", ""); a.status != http.StatusNotFound {
		t.Errorf("without the flag: got %d", a.status)
	}
	s := start(t, "--web.enable-pprof")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if a := s.do(http.MethodGet, path, ""); a.status != http.StatusOK {
			t.Errorf("%s: got %d", path, a.status)
		}
	}
}

func TestAdminNeedsTheFlag(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	if a := s.do(http.MethodPut, "/api/v1/admin/wipe", ""); a.status != http.StatusForbidden || !strings.Contains(a.body, "--web.enable-admin-api") {
		t.Errorf("got %d %q", a.status, a.body)
	}
	s.wantSeries([]string{`m{instance="",job="a"} 1`}, nil)
}

func TestEncodings(t *testing.T) {
	s := start(t)
	text := "m 1\n"
	var gz, sn, zs bytes.Buffer
	for _, w := range []io.WriteCloser{gzip.NewWriter(&gz), snappy.NewBufferedWriter(&sn), must(zstd.NewWriter(&zs))} {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for encoding, body := range map[string]string{"gzip": gz.String(), "snappy": sn.String(), "zstd": zs.String()} {
		s.push("/metrics/job/"+encoding, body, http.StatusOK, "Content-Encoding", encoding)
		s.wantSeries([]string{fmt.Sprintf(`m{instance="",job=%q} 1`, encoding)}, nil)
	}
	plain := normalScrape(s.scrape().body)
	for accept, unpack := range map[string]func(io.Reader) (io.Reader, error){
		"gzip":              func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd":              func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		"gzip, zstd;q=0.5":  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"*;q=0.5, gzip":     func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"gzip;q=0, deflate": func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip;q=0.5, *":     func(r io.Reader) (io.Reader, error) { return r, nil },
	} {
		a := s.scrape("Accept-Encoding", accept)
		r, err := unpack(strings.NewReader(a.body))
		if err != nil {
			t.Fatalf("%s: %v", accept, err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", accept, err)
		}
		if got := normalScrape(string(b)); strings.Join(got, "\n") != strings.Join(plain, "\n") {
			t.Errorf("%s: got %q", accept, got)
		}
	}
}

// TestContentTypes pushes protobuf under types that mean it, and others.
func TestContentTypes(t *testing.T) {
	const mediaType, params = "application/vnd.google.protobuf", "; proto=io.prometheus.client.MetricFamily; encoding=delimited"
	s := start(t)
	body := protoBody(`name:"m" type:GAUGE metric{gauge{value:1}}`)
	for contentType, want := range map[string]int{
		mediaType + params:                         http.StatusOK,
		"Application/VND.Google.ProtoBuf" + params: http.StatusOK,
		mediaType + strings.ToUpper(params):        http.StatusBadRequest, // names of parameters have no case, values do
		mediaType + "2" + params:                   http.StatusBadRequest,
		mediaType + params + "; q=0.5; version=1":  http.StatusOK,
		mediaType + "; encoding=delimited":         http.StatusBadRequest,
		mediaType:                                  http.StatusBadRequest,
		"application/x-protobuf" + params:          http.StatusBadRequest,
		"":                                         http.StatusBadRequest,
	} {
		if a := s.do(http.MethodPut, "/metrics/job/a", body, "Content-Type", contentType); a.status != want {
			t.Errorf("%q: got %d %q, want %d", contentType, a.status, a.body, want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// page is the answer of /api/v1/groups.
type page struct {
	Status string
	Error  string
	Data   struct {
		Groups []struct {
			Labels   map[string]string
			Success  bool    `json:"last_push_successful"`
			Pushed   *string `json:"push_time"`
			Failed   *string `json:"push_failure_time"`
			Families int
			Series   int
			LeftOut  []string `json:"families_left_out"`
			Failure  string   `json:"push_failure_message"`
			Expires  *string  `json:"expiry_time"`
			TTL      float64  `json:"ttl_seconds"`
		}
		Total int
		Next  string `json:"next_page_token"`
	}
}

func (s *server) groups(query string, want int) page {
	s.t.Helper()
	a := s.do(http.MethodGet, "/api/v1/groups?"+query, "")
	var p page
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != want {
		s.t.Fatalf("groups?%s: %d %q %v", query, a.status, a.body, err)
	}
	return p
}

func TestGroups(t *testing.T) {
	s := start(t)
	for i := range 25 {
		s.push(fmt.Sprintf("/metrics/job/j%d/instance/i%02d", i%2, i), strings.Repeat("# c\n", i)+"m 1\nn{x=\"1\"} 1\nn{x=\"2\"} 1\n", http.StatusOK)
	}
	s.push("/metrics/job/bad", "m 1 5\n", http.StatusBadRequest)

	if p := s.groups("", 200); p.Data.Total != 26 || len(p.Data.Groups) != 26 || p.Data.Next != "" {
		t.Errorf("all: %+v", p)
	}
	query := url.Values{"match[]": {`{job="j1",instance=~"i0.*"}`}}
	if p := s.groups(query.Encode(), 200); p.Data.Total != 5 {
		t.Errorf("selector: %+v", p)
	}
	if p := s.groups("status=failure", 200); p.Data.Total != 1 || p.Data.Groups[0].Labels["job"] != "bad" || p.Data.Groups[0].Pushed != nil || p.Data.Groups[0].Failed == nil {
		t.Errorf("failures: %+v", p)
	}
	if p := s.groups("sort=-push_time&limit=1", 200); p.Data.Groups[0].Labels["instance"] != "i24" || p.Data.Groups[0].Families != 2 || p.Data.Groups[0].Series != 3 {
		t.Errorf("the latest: %+v", p)
	}
	for _, order := range []string{"", "labels", "-labels", "push_time", "-push_time", "-series", "failure_time"} {
		seen := make(map[string]bool)
		for token := ""; ; {
			p := s.groups("limit=4&sort="+order+"&page_token="+token, 200)
			for _, g := range p.Data.Groups {
				seen[fmt.Sprint(g.Labels)] = true
			}
			if token = p.Data.Next; token == "" {
				break
			}
		}
		if len(seen) != 26 {
			t.Errorf("sort=%s: the pages have %d groups", order, len(seen))
		}
	}
	for _, query := range []string{"match[]={job=", "sort=x", "limit=0", "limit=x", "status=x", "page_token=!"} {
		if p := s.groups(query, 400); p.Status != "error" || p.Error == "" {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

func TestLeftOutIsShown(t *testing.T) {
	s := start(t, "--push.disable-consistency-check")
	s.push("/metrics/job/a", "# TYPE m gauge\nm 1\n", http.StatusAccepted)
	s.push("/metrics/job/b", "# TYPE m counter\nm 1\n", http.StatusAccepted)
	s.wantSeries([]string{"pushgateway_families_left_out 1"}, nil)
	query := url.Values{"match[]": {`{job="b"}`}}
	if p := s.groups(query.Encode(), 200); len(p.Data.Groups) != 1 || len(p.Data.Groups[0].LeftOut) != 1 {
		t.Errorf("got %+v", p)
	}
}

func TestOwnMetrics(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", "m 1\nn 2\n", http.StatusOK)
	s.push("/metrics/job/a", "m x\n", http.StatusBadRequest)
	s.push("/metrics/job/a/b", "m 1\n", http.StatusBadRequest) // has no size, as its body is not read
	s.want(http.StatusForbidden, http.MethodPut, "/api/v1/admin/wipe", "")
	s.scrape()
	body := s.scrape().body
	for _, want := range []string{
		"pushgateway_groups 1\n", "pushgateway_series 2\n", "pushgateway_families_left_out 0\n",
		`pushgateway_pushes_refused_total{reason="syntax"} 1`, `pushgateway_http_requests_total{code="200",handler="push",method="put"} 1`,
		`pushgateway_http_requests_total{code="400",handler="push",method="put"} 2`, `pushgateway_http_push_size_bytes_count{method="put"} 2`,
		`pushgateway_http_requests_total{code="403",handler="wipe",method="put"} 1`,
		`pushgateway_http_push_duration_seconds_count{method="put"} 3`, `pushgateway_scrape_duration_seconds_count{format="text"} 1`,
		"pushgateway_last_scrape_timestamp_seconds 1.", "pushgateway_build_info{", "go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not exposed", want)
		}
	}
}

func TestTLSAndBasicAuth(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	hash := must(bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost))
	config := fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {someone: %s}\n", hash)
	file := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--web.config.file="+file)
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for password, want := range map[string]int{"": 401, "wrong": 401, "secret": 200} {
		req := must(http.NewRequest(http.MethodPut, "https://"+s.addr+"/metrics/job/a", strings.NewReader("m 1\n")))
		if password != "" {
			req.SetBasicAuth("someone", password)
		}
		res, err := secure.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("password %q: got %d, want %d", password, res.StatusCode, want)
		}
	}
}

// writeCertificate makes a certificate for the loopback address.
func writeCertificate(t testing.TB, dir string) *x509.CertPool {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
	for name, b := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}
