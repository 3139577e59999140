package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/testproc"
)

// TestScripts runs the commands as somebody at a terminal does, each script in
// testdata/script with gateways of its own.
func TestScripts(t *testing.T) {
	s := scripts{t}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("PUSHGATEWAY_URL", "http://127.0.0.1:1") // nobody, until there is a gateway
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gateway":  s.gateway,
			"port":     s.port,
			"socket":   s.socket,
			"secure":   s.secure,
			"bearer":   s.bearer,
			"await":    s.await,
			"exitcode": s.exitCode,
			"lines":    s.lines,
		},
	})
}

// scripts are the commands that scripts have beside those of testscript.
type scripts struct{ t *testing.T }

// gateway [flags] starts a gateway, and lets $PUSHGATEWAY_URL be its URL and
// $ADDR its address.
func (s scripts) gateway(ts *testscript.TestScript, _ bool, args []string) {
	if !strings.Contains(strings.Join(args, " "), "--web.listen-address") {
		args = append(args, "--web.listen-address=127.0.0.1:0")
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = ts.Getenv("WORK")
	p := testproc.Launch(s.t, cmd)
	ts.Defer(p.Stop)
	if !p.AwaitListening() {
		ts.Fatalf("the gateway exited at startup\n%s", p.Log)
	}
	ts.Setenv("ADDR", p.Addr)
	ts.Setenv("PUSHGATEWAY_URL", "http://"+p.Addr)
}

// port finds a free one for $PORT.
func (s scripts) port(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("PORT", strconv.Itoa(testproc.FreePort(s.t)))
}

// socket <path> lets the gateway be reached through a socket.
func (s scripts) socket(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	to := ts.Getenv("ADDR")
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in) }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
}

// secure <user> <password> writes web.yml for a gateway with TLS and basic
// auth, and ca.pem to trust it.
func (s scripts) secure(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.Getenv("WORK")
	writeCertificate(s.t, dir)
	hash, err := bcrypt.GenerateFromPassword([]byte(args[1]), bcrypt.MinCost)
	ts.Check(err)
	config := fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {%s: %s}\n", args[0], hash)
	ts.Check(os.WriteFile(filepath.Join(dir, "web.yml"), []byte(config), 0o600))
}

// bearer <token> starts a gateway behind a proxy that asks for a token, and lets
// $PUSHGATEWAY_URL be the proxy's URL. The proxy redirects pushes to the job
// elsewhere to another host.
func (s scripts) bearer(ts *testscript.TestScript, _ bool, args []string) {
	s.gateway(ts, false, nil)
	gateway := &url.URL{Scheme: "http", Host: ts.Getenv("ADDR")}
	next := httputil.NewSingleHostReverseProxy(gateway)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.t.Errorf("the other host got %s %s with the token %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	ts.Defer(other.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+args[0]:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/job/elsewhere"):
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		default:
			next.ServeHTTP(w, r)
		}
	}))
	ts.Defer(proxy.Close)
	ts.Setenv("PUSHGATEWAY_URL", proxy.URL)
}

// await <file> waits until there is such a file, with something in it.
func (s scripts) await(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		info, err := os.Stat(path)
		if err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nobody writes %s", path)
		}
	}
}

// exitcode <code> <command> [args] runs a command that must exit with a code.
func (s scripts) exitCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// lines <number> stdout|stderr|<file> counts lines.
func (s scripts) lines(ts *testscript.TestScript, _ bool, args []string) {
	if n := strings.Count(ts.ReadFile(args[1]), "\n"); fmt.Sprint(n) != args[0] {
		ts.Fatalf("%s has %d lines, want %s:\n%s", args[1], n, args[0], ts.ReadFile(args[1]))
	}
}
