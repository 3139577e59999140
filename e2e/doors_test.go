package e2e

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

var (
	listening   = regexp.MustCompile(`msg="Listening on" address=(\S+)`)
	isElsewhere = regexp.MustCompile(`telemetry_address=(\S+)`)
)

// startDoors starts a gateway with scrapes and health at an address of their
// own. It returns both doors.
func startDoors(t *testing.T, prefix string, args ...string) (main, telemetry *server) {
	t.Helper()
	p := testproc.Launch(t, exec.Command(binary, append([]string{"--web.listen-address=127.0.0.1:0", "--web.telemetry-listen-address=127.0.0.1:0"}, args...)...))
	at := func(addr string) *server {
		return &server{t: t, addr: addr, base: "http://" + addr + prefix, log: p.Log, proc: p}
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		apart := isElsewhere.FindStringSubmatch(p.Log.String())
		all := listening.FindAllStringSubmatch(p.Log.String(), -1)
		if len(all) < 2 || apart == nil {
			continue
		}
		first := all[0][1]
		if first == apart[1] {
			first = all[1][1]
		}
		return at(first), at(apart[1])
	}
	t.Fatalf("it does not listen\n%s", p.Log)
	return nil, nil
}

// TestTelemetryApart asks both doors for everything.
func TestTelemetryApart(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "/gw"} {
		main, telemetry := startDoors(t, prefix, "--web.telemetry-path=/own/metrics", "--web.route-prefix="+prefix, "--web.enable-lifecycle")
		for _, c := range []struct {
			method, path    string
			main, telemetry int
		}{
			{"GET", "/own/metrics", 404, 200},
			{"HEAD", "/own/metrics", 404, 200},
			{"OPTIONS", "/own/metrics", 404, 200},
			{"GET", "/-/healthy", 404, 200},
			{"GET", "/-/ready", 404, 200},
			{"GET", "/-/ready?for=push", 404, 200},
			{"PUT", "/metrics/job/a", 200, 404},
			{"POST", "/metrics//job/a", 200, 404},
			{"POST", "/metrics/job@base64/YQ", 200, 404},
			{"PUT", "/api/v1/push?group_by=job", 200, 404},
			{"GET", "/", 200, 404},
			{"GET", "/status", 200, 404},
			{"GET", "/api/v1/status", 200, 404},
			{"GET", "/api/v1/metrics", 200, 404},
			{"OPTIONS", "/api/v1/metrics", 200, 404},
			{"GET", "/api/v1/groups", 200, 404},
			{"DELETE", "/metrics/job/a", 202, 404},
			{"PUT", "/api/v1/admin/wipe", 403, 404},
		} {
			for door, want := range map[*server]int{main: c.main, telemetry: c.telemetry} {
				body := ""
				if c.method == "PUT" || c.method == "POST" {
					body = "a{job=\"a\"} 1\n"
				}
				a := door.want(want, c.method, c.path, body)
				if want != 404 || c.method == "HEAD" {
					continue
				}
				flag, addr := "--web.listen-address (", main.addr
				if door == main {
					flag, addr = "--web.telemetry-listen-address (", telemetry.addr
				}
				if !strings.Contains(a.body, "is not served at this address; use that of "+flag+addr+")") {
					t.Errorf("%s %s: got %q", c.method, c.path, a.body)
				}
				if allow := a.header.Get("Allow"); allow != "" {
					t.Errorf("%s %s: Allow: %s", c.method, c.path, allow)
				}
			}
		}
		main.want(404, "GET", "/own", "")
		main.want(404, "PUT", "/own/metrics", "")
		telemetry.want(405, "PUT", "/own/metrics", "")
		if own := telemetry.get("/own/metrics").body; !strings.Contains(own, `pushgateway_pushes_refused_total{reason="path"} 8`) {
			t.Errorf("the refused pushes: %s", grep(own, "refused_total"))
		}
		telemetry.want(404, "PUT", "/-/quit", "")
		main.want(200, "PUT", "/-/quit", "")
		main.proc.AwaitEnd()
	}
}

func grep(text, part string) string {
	var found strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found.WriteString(line)
		}
	}
	return found.String()
}

// TestTelemetryApartIsSecure asks both doors without and with a password.
func TestTelemetryApartIsSecure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, dir)
	writeWebConfigs(t, dir)
	main, telemetry := startDoors(t, "", "--web.config.file="+filepath.Join(dir, "auth.yml"))
	main.want(401, "GET", "/api/v1/status", "")
	telemetry.want(401, "GET", "/metrics", "")
	telemetry.want(401, "GET", "/-/healthy", "")
	main, telemetry = startDoors(t, "", "--web.config.file="+filepath.Join(dir, "tls.yml"))
	for _, door := range []*server{main, telemetry} {
		if a := door.want(400, "GET", "/metrics", ""); !strings.Contains(a.body, "HTTPS server") {
			t.Errorf("got %q", a.body)
		}
	}
}

// TestTelemetryWhileStarting asks both doors before the journal is read.
func TestTelemetryWhileStarting(t *testing.T) {
	needsStrace(t)
	cmd := slowly(makeJournal(t, slowGroups))
	cmd.Args = append(cmd.Args, "--web.telemetry-listen-address=127.0.0.1:0")
	p := testproc.Run(t, cmd)
	apart := isElsewhere.FindStringSubmatch(p.Log.String())
	if apart == nil {
		t.Fatalf("nothing is elsewhere\n%s", p.Log)
	}
	s := &server{t: t, addr: apart[1], base: "http://" + apart[1], log: p.Log, proc: p}
	s.get("/-/healthy")
	s.wantStarting(http.MethodGet, "/-/ready", "")
	for _, l := range listening.FindAllStringSubmatch(p.Log.String(), -1) {
		if l[1] != apart[1] {
			main := &server{t: t, addr: l[1], base: "http://" + l[1], log: p.Log, proc: p}
			main.wantStarting(http.MethodPut, "/metrics/job/a", "a 1\n")
		}
	}
}

// through returns a server that is reached through a socket.
func through(s *server, t *testing.T, socket string) *server {
	t.Helper()
	return &server{t: t, addr: socket, base: "http://localhost", log: s.log, proc: s.proc}
}

// ask sends a request through the socket of a server, from an end with a name
// unless that is empty.
func (s *server) ask(from, method, path, body string, header ...string) answer {
	s.t.Helper()
	dialer := new(net.Dialer)
	if from != "" {
		dialer.LocalAddr = &net.UnixAddr{Name: from, Net: "unix"}
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", s.addr)
	}}
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		s.t.Fatalf("%s %s through %s: %v\n%s", method, path, s.addr, err, s.log)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// socketDir returns a directory with a name that is short enough for sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestSockets pushes and scrapes through unix sockets.
func TestSockets(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	main, telemetry := filepath.Join(dir, "main"), filepath.Join(dir, "telemetry")
	p := startProcess(t, binary, "--web.listen-address=unix:"+main, "--web.listen-address=127.0.0.1:0", "--web.telemetry-listen-address=unix:"+telemetry+"?mode=0600", "--log.access", "--web.trusted-proxies=unix,10.0.0.0/8")
	s := &server{t: t, log: p.Log, proc: p}
	in, out := through(s, t, main), through(s, t, telemetry)
	for path, want := range map[string]fs.FileMode{main: 0o660, telemetry: 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if a := in.ask("", "PUT", "/metrics/job/a", "a 1\n"); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
	in.ask("@10.0.0.1:80", "PUT", "/metrics/job/named", "a 1\n")
	in.ask("", "PUT", "/metrics/job/proxied", "a 1\n", "X-Forwarded-For", "192.0.2.9, 10.0.0.2")
	in.ask("", "PUT", "/metrics/job/origin", "a 1\n", "Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example.org")
	if a := out.ask("", "GET", "/metrics", ""); !strings.Contains(a.body, `a{instance="",job="a"} 1`) || strings.Contains(a.body, `job="origin"`) {
		t.Errorf("got %d %s", a.status, grep(a.body, "a{"))
	}
	if a := in.ask("", "GET", "/metrics", ""); a.status != 404 || !strings.Contains(a.body, "(unix:"+telemetry+")") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	p.Stop()
	log := p.Log.String()
	for _, want := range []string{
		`path=/metrics/job/a route=push status=200 received=4 sent=0 seconds=\S+ client=unix `, `path=/metrics/job/named route=push .* client=unix `,
		`path=/metrics/job/proxied route=push .* client=192.0.2.9 `, `path=/metrics/job/origin route=push status=403 .* client=unix `,
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("the log does not have %s:\n%s", want, grep(log, "msg=Request"))
		}
	}
	for _, path := range []string{main, telemetry} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s stays: %v", path, err)
		}
	}
}

// TestUsersAtDoors has users of the configuration ask at a port and at a socket,
// which has no address for a user to be known by.
func TestUsersAtDoors(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	path, token, file := filepath.Join(dir, "s"), filepath.Join(dir, "token"), filepath.Join(dir, "config.yml")
	for name, content := range map[string]string{token: "s3cret\n", file: "access:\n  anonymous: [health]\n  users:\n" +
		"    - {name: local, addresses: [127.0.0.1], may: [scrape]}\n    - {name: ci, token_file: token, may: [push]}\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := startProcess(t, binary, "--config.file="+file, "--web.listen-address=unix:"+path, "--web.telemetry-listen-address=127.0.0.1:0", "--log.access")
	apart := isElsewhere.FindStringSubmatch(p.Log.String())
	if apart == nil {
		t.Fatalf("nothing is elsewhere\n%s", p.Log)
	}
	out := &server{t: t, addr: apart[1], base: "http://" + apart[1], log: p.Log, proc: p}
	in := through(out, t, path)
	out.want(200, "GET", "/metrics", "")
	out.want(200, "GET", "/-/healthy", "")
	for _, c := range []struct {
		from, header string
		want         int
	}{{"", "", 401}, {"@127.0.0.1:80", "", 401}, {"", "Bearer wrong", 401}, {"", "Bearer s3cret", 200}} {
		var header []string
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		if a := in.ask(c.from, "PUT", "/metrics/job/a", "a 1\n", header...); a.status != c.want {
			t.Errorf("from %q with %q: got %d %s, want %d", c.from, c.header, a.status, a.body, c.want)
		}
	}
	p.Stop()
	for _, want := range []string{`path=/metrics route=/metrics status=200 .* principal=local`, `route=push status=401 .* principal=anonymous`, `route=push status=200 .* client=unix .* principal=ci`} {
		if !regexp.MustCompile(want).MatchString(p.Log.String()) {
			t.Errorf("the log does not have %s:\n%s", want, grep(p.Log.String(), "msg=Request"))
		}
	}
	if strings.Contains(p.Log.String(), "s3cret") {
		t.Error("the log has the token")
	}
}

// TestSocketOfAnother starts gateways at a path that is taken, and one where the
// gateway was killed.
func TestSocketOfAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(socketDir(t), "s")
	first := startProcess(t, binary, "--web.listen-address=unix:"+path)
	out, err := exec.Command(binary, "--web.listen-address=unix:"+path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "(pushgateway) listens on "+path) {
		t.Errorf("%v\n%s", err, out)
	}
	s := through(&server{t: t, log: first.Log, proc: first}, t, path)
	if a := s.ask("", "GET", "/-/ready", ""); a.status != 200 {
		t.Errorf("the first one: %d %s", a.status, a.body)
	}
	first.Kill()
	second := startProcess(t, binary, "--web.listen-address=unix:"+path)
	s = through(&server{t: t, log: second.Log, proc: second}, t, path)
	if a := s.ask("", "GET", "/-/ready", ""); a.status != 200 {
		t.Errorf("the second one: %d %s", a.status, a.body)
	}
}

// TestDoorsThatCannotBe starts gateways with addresses that cannot be used.
func TestDoorsThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(socketDir(t), "file")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--web.telemetry-listen-address=", `--web.telemetry-listen-address="": it is empty; write it like 127.0.0.1:9092, or leave out the flag`},
		{"--web.telemetry-listen-address=9092", `--web.telemetry-listen-address="9092": it must be a host and a port`},
		{"--web.telemetry-listen-address=:9091", `--web.telemetry-listen-address=":9091": --web.listen-address=":9091" has this address already`},
		{"--web.telemetry-listen-address=[::1]:9091 --web.listen-address=0.0.0.0:9091", `--web.telemetry-listen-address="[::1]:9091": --web.listen-address="0.0.0.0:9091" has this address already`},
		{"--web.listen-address=unix:/a/b --web.telemetry-listen-address=unix:///a/b?mode=0600", `has this address already`},
		{"--web.listen-address=unix:@a", "abstract sockets have no permissions"},
		{"--web.listen-address=unix:a", "must be absolute"},
		{"--web.listen-address=unix:/a?mod=0600", `unknown setting "mod"`},
		{"--web.listen-address=unix:/" + strings.Repeat("a", 108), "has 109 bytes, and the system allows 107"},
		{"--web.listen-address=unix:" + file, file + " exists and is not a socket; move it away"},
		{"--web.listen-address=unix:" + file + "/s", "not a directory"},
		{"--web.listen-address=unix:" + file + ".d/s", "create the directory of the socket first"},
		{"--web.listen-address=vsock://:x", "the port of vsock must be a number"},
		{"--log.slow=-1s", "--log.slow=-1s: it must not be negative"},
		{"--log.access --log.level=warn", "--log.access: --log.level=warn hides its lines; set --log.level=info"},
		{"--log.slow=1s --log.level=error", "--log.slow: --log.level=error hides its lines"},
		{"--web.systemd-socket", "systemd passed no socket"},
	} {
		out, err := exec.Command(binary, strings.Fields(c.args)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: got %v, %s, want %s", c.args, err, out, c.want)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "kept" {
		t.Errorf("the file: %q, %v", b, err)
	}
}

// passSockets passes its sockets to a gateway as systemd does. The files of
// bash are those from 3 on.
const passSockets = `export LISTEN_PID=$$; exec "$0" "$@"`

// TestSystemdSockets passes sockets to a gateway, one of them for scrapes.
func TestSystemdSockets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names      string
		args       []string
		first, own int    // status of a scrape at the two sockets
		failure    string // the log, if it does not start
	}{
		{names: "connection:unknown", first: 200, own: 200},
		{names: "pushes:telemetry", first: 404, own: 200},
		{names: "a:b", args: []string{"--web.telemetry-listen-address=127.0.0.1:0"}, first: 404, own: 404},
		{names: "telemetry:telemetry", failure: "every socket of systemd is named telemetry: pass one with another name"},
	} {
		cmd := exec.Command("bash", append([]string{"-c", passSockets, binary, "--web.systemd-socket"}, c.args...)...)
		cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES="+c.names)
		var addrs []string
		for range 2 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			f, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			defer f.Close()
			cmd.ExtraFiles, addrs = append(cmd.ExtraFiles, f), append(addrs, l.Addr().String())
		}
		p := testproc.Launch(t, cmd)
		if c.failure != "" {
			p.AwaitExit(1)
			if !strings.Contains(p.Log.String(), c.failure) {
				t.Errorf("%s: %s", c.names, p.Log)
			}
			continue
		}
		if !p.AwaitListening() {
			t.Fatalf("%s: %s", c.names, p.Log)
		}
		for i, want := range []int{c.first, c.own} {
			s := &server{t: t, addr: addrs[i], base: "http://" + addrs[i], log: p.Log, proc: p}
			s.want(want, "GET", "/metrics", "")
		}
		p.Stop()
	}
}

// TestSlowRequestsAreLogged lets a body arrive slowly, and a client leave.
func TestSlowRequestsAreLogged(t *testing.T) {
	t.Parallel()
	s := start(t, "--log.slow=50ms", "--log.access")
	body, send := io.Pipe()
	go func() {
		_, _ = io.WriteString(send, "a ")
		time.Sleep(200 * time.Millisecond)
		_, _ = io.WriteString(send, "1\n")
		send.Close()
	}()
	req, err := http.NewRequest(http.MethodPut, s.base+"/metrics/job/slow", body)
	if err != nil {
		t.Fatal(err)
	}
	s.send(req)
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "PUT /metrics/job/left HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na")
	time.Sleep(200 * time.Millisecond)
	c.Close()
	s.get("/-/ready")
	s.proc.Stop()
	log := s.log.String()
	for _, want := range []string{
		`level=WARN .*msg="Slow request" method=PUT path=/metrics/job/slow route=push status=200 received=4 .* waited_for_body=0\.`,
		`msg="Slow request" method=PUT path=/metrics/job/left .* aborted=true waited_for_body=0\.`,
		`level=INFO .*msg=Request method=PUT path=/metrics/job/left .* aborted=true`,
		`msg=Request method=GET path=/-/ready route=ready status=200`,
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("the log does not have %s:\n%s", want, log)
		}
	}
}
