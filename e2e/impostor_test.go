package e2e

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// says is an answer as servers have it that are no gateway.
func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestImpostors has the commands say what answers in place of a gateway, and
// what to do about it.
func TestImpostors(t *testing.T) {
	login := says(http.StatusOK, "text/html; charset=utf-8", "<html>\n  <h1>Log in</h1>\n"+strings.Repeat("x", 5000)+"</html>")
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // URL stands for that of the server
	}{
		{"web page", login, `the gateway answered 200 OK: <html> <h1>Log in</h1> x{10,200}… \(is that a gateway at URL, and does --url have its route prefix\?\)`},
		{"nothing there", http.NotFound, `404 Not Found: 404 page not found \(is that a gateway at URL, and`},
		{"nginx with TLS", says(http.StatusBadRequest, "text/html", "<center>The plain HTTP request was sent to HTTPS port</center>"), `400 Bad Request: .*\(URL expects TLS; write https:// in --url\)`},
		{"to another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://gateway.example/gw"+r.URL.Path+"?x=y", http.StatusMovedPermanently)
		}, `301 Moved Permanently: .*\(redirects are not followed; try --url=https://gateway\.example/gw\)`},
		{"to a login", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login?from="+r.URL.Path, http.StatusFound)
		}, `302 Found: .*\(it redirects to URL/login, and redirects are not followed; is that a gateway at URL, and`},
		{"nowhere", says(http.StatusTemporaryRedirect, "text/plain", ""), `307 Temporary Redirect: nothing more \(URL redirects without a location; correct --url\)`},
		{"proxy", says(http.StatusProxyAuthRequired, "text/plain", "who are you?"), `407 Proxy Authentication Required: who are you\? \(the answer came from the proxy; give --http\.config\.file with a proxy_url`},
		{"escapes", says(http.StatusServiceUnavailable, "text/plain", "a\x1b]0;owned\a\u009b31m\u202e\r\nb\xff"), `503 Service Unavailable: a\\x1b]0;owned\\a\\u009b31m\\u202e b\\xff\n`},
		{"escapes in JSON", says(http.StatusConflict, "application/json", `{"status":"error","error":"a\u001b[2Jb\nc"}`), `409 Conflict: a\\x1b\[2Jb c\n`},
		{"a long answer", says(http.StatusBadRequest, "text/plain", strings.Repeat("ü", 1<<20)), `400 Bad Request: ü{1000}…\n`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(c.answer)
			defer s.Close()
			holdCommands(t, s.URL, strings.ReplaceAll(c.want, "URL", regexp.QuoteMeta(s.URL)))
		})
	}
}

// holdCommands runs the commands that talk to a gateway, which must fail with a
// message that matches.
func holdCommands(t *testing.T, url, want string) {
	t.Helper()
	for _, args := range [][]string{
		{"push", "--job=a", "--allow-empty"}, {"get", "--job=a"}, {"delete", "--job=a"}, {"delete", "--match={job=\"a\"}"},
		{"groups"}, {"groups", "-o", "json"}, {"healthcheck"}, {"backup", t.TempDir() + "/copy.db"},
	} {
		code, out, errs := command(t, append(args, "--url="+url)...)
		if code != 1 || out != "" || !regexp.MustCompile(want).MatchString(errs) || strings.ContainsAny(errs, "\x1b\a\r\u009b\u202e") {
			t.Errorf("%v: exit code %d, %q, %q, want a message with %s", args, code, out, errs, want)
		}
	}
	code, _, errs := command(t, "run", "--job=a", "--retry=0s", "--url="+url, "--", "sh", "-c", `echo 'm 1' > "$PUSHGATEWAY_METRICS"; exit 3`)
	if code != 3 || !regexp.MustCompile(want).MatchString(errs) || strings.ContainsAny(errs, "\x1b\a\r\u009b\u202e") {
		t.Errorf("run: exit code %d, %q, want a message with %s", code, errs, want)
	}
}

// TestSchemes mixes up http and https.
func TestSchemes(t *testing.T) {
	plain, secure := httptest.NewServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	addrOf := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	holdCommands(t, "https://"+addrOf(plain), `cannot be reached: .* \(it speaks HTTP without TLS; write http:// in --url\)`)
	holdCommands(t, "http://"+addrOf(secure), `http://`+addrOf(secure)+`.* expects TLS[;,] write https:// in --url\)`)

	// A server that is not Go's answers with an alert of TLS.
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1000))
			_, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x46"))
			_ = c.Close()
		}
	}()
	holdCommands(t, "http://"+l.Addr().String(), `cannot be reached: .* \(it expects TLS; write https:// in --url\)`)
}

// TestFlagIsAskedFor has label names that a path only holds escaped, so that a
// gateway without --push.enable-utf8-names would take them for others.
func TestFlagIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		refused string // "" if the push is sent
	}{
		{"with the flag", says(200, "application/json", `{"status":"success","data":{"flags":{"push.enable-utf8-names":"true"}}}`), ""},
		{"without", says(200, "application/json", `{"status":"success","data":{"flags":{"push.enable-utf8-names":"false"}}}`), "runs without --push.enable-utf8-names; rename them"},
		{"older", says(200, "application/json", `{"status":"success","data":{"flags":{"web.telemetry-path":"/metrics"}}}`), "runs without --push.enable-utf8-names; rename them"},
		{"another layout", says(200, "application/json", `{"status":"success","data":{"flags":["push.enable-utf8-names"]}}`), "but asking for its flags failed: reading the answer to GET /api/v1/status"},
		{"not ours to ask", http.NotFound, "but asking for its flags failed: the gateway answered 404"},
		{"no JSON", says(200, "text/plain", "hello"), "but asking for its flags failed: reading the answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := make(chan string, 100)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/v1/status" {
					c.answer(w, r)
					return
				}
				sent <- r.Method + " " + r.URL.Path
			}))
			defer s.Close()
			code, _, errs := command(t, "push", "--job=a", "--label=a/b=x", "--allow-empty", "--url="+s.URL)
			if c.refused != "" {
				if code != 1 || !strings.Contains(errs, c.refused) || len(sent) > 0 {
					t.Errorf("exit code %d, %q, want %q; %d requests were sent", code, errs, c.refused, len(sent))
				}
				return
			}
			if code != 0 || errs != "" {
				t.Fatalf("exit code %d, %q", code, errs)
			}
			if got, want := <-sent, "POST /metrics/job/a/U__a_2f_b/x"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if code, _, errs := command(t, "push", "--job=a", "--label=a.b=x", "--allow-empty", "--url="+s.URL); code != 0 {
				t.Errorf("exit code %d, %q", code, errs)
			}
			if got, want := <-sent, "POST /metrics/job/a/a.b/x"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
