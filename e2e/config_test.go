package e2e

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var manyReloads = flag.Bool("reloads.many", false, "reload 1,000 times while pushing, not 60 times")

// configFile is a configuration file of a running gateway.
type configFile struct {
	t    testing.TB
	path string
}

func newConfig(t testing.TB, content string) configFile {
	t.Helper()
	f := configFile{t, filepath.Join(t.TempDir(), "gateway.yml")}
	f.write(content)
	return f
}

// write replaces the file, so that no reader sees a part of it.
func (f configFile) write(content string) {
	f.t.Helper()
	fresh := f.path + ".new"
	if err := errors.Join(os.WriteFile(fresh, []byte(content), 0o600), os.Rename(fresh, f.path)); err != nil {
		f.t.Fatal(err)
	}
}

// hangUp asks the gateway with a signal to read its configuration again.
func (s *server) hangUp() {
	s.t.Helper()
	if err := s.proc.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

// TestReloadOfPipe puts a pipe, which nobody writes to, in the place of the configuration
// file.
func TestReloadOfPipe(t *testing.T) {
	file := newConfig(t, "limits:\n  max_series_per_push: 2\n")
	s := start(t, "--config.file="+file.path, "--web.enable-lifecycle")
	if err := errors.Join(os.Remove(file.path), syscall.Mkfifo(file.path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if a := s.want(http.StatusInternalServerError, http.MethodPost, "/-/reload", ""); !strings.Contains(a.body, "is a pipe or a socket; name another file") {
		t.Errorf("got %q", a.body)
	}
	if err := os.Remove(file.path); err != nil {
		t.Fatal(err)
	}
	file.write("limits:\n  max_series_per_push: 1\n")
	s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
	s.push("/metrics/job/a", "m 1\nn 2\n", http.StatusRequestEntityTooLarge)
}

func TestReload(t *testing.T) {
	file := newConfig(t, "limits:\n  max_series_per_push: 2\n")
	s := start(t, "--config.file="+file.path, "--web.enable-lifecycle")
	const two = "m 1\nn 2\n"
	s.push("/metrics/job/a", two, http.StatusOK)
	s.push("/metrics/job/a", two, http.StatusOK) // remembers its pattern
	file.write("limits:\n  max_series_per_push: 1\n")
	s.push("/metrics/job/a", two, http.StatusOK)
	s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
	s.push("/metrics/job/a", two, http.StatusRequestEntityTooLarge)
	s.wantLine("pushgateway_config_last_reload_successful 1")

	file.write("limits:\n  max_series_per_pusch: 5\n")
	a := s.want(http.StatusInternalServerError, http.MethodPut, "/-/reload", "")
	if want := file.path + ":2:3: limits.max_series_per_pusch: the key is unknown; did you mean max_series_per_push?"; !strings.Contains(a.body, want) {
		t.Errorf("got %q, want %q", a.body, want)
	}
	s.wantLine("pushgateway_config_last_reload_successful 0")
	s.wantLine("pushgateway_config_last_reload_success_timestamp_seconds 1.")
	s.push("/metrics/job/a", two, http.StatusRequestEntityTooLarge)

	file.write("limits:\n  max_connections: 500\n  max_inflight_bytes: 128MiB\n")
	if a := s.want(http.StatusOK, http.MethodPost, "/-/reload", ""); !strings.Contains(a.body, "limits.max_inflight_bytes, limits.max_connections") {
		t.Errorf("got %q, which does not name what needs a restart", a.body)
	}
	s.push("/metrics/job/a", two, http.StatusOK)
	s.want(http.StatusMethodNotAllowed, http.MethodGet, "/-/reload", "")

	file.write("limits:\n  max_series_per_push: 1\n")
	s.hangUp()
	for range patience / (10 * time.Millisecond) {
		if s.do(http.MethodPut, "/metrics/job/a", two).status == http.StatusRequestEntityTooLarge {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("SIGHUP changes nothing:\n%s", s.log)
}

// wantLine wants a line of a scrape that begins with a text.
func (s *server) wantLine(begin string) {
	s.t.Helper()
	if !strings.Contains(s.scrape().body, "\n"+begin) {
		s.t.Errorf("the scrape has no line that begins with %q", begin)
	}
}

// TestNothingToReload has no configuration file.
func TestNothingToReload(t *testing.T) {
	s := start(t, "--web.enable-lifecycle")
	if a := s.want(http.StatusBadRequest, http.MethodPost, "/-/reload", ""); !strings.Contains(a.body, "--config.file") {
		t.Errorf("got %q", a.body)
	}
	s.hangUp()
	for range patience / (10 * time.Millisecond) {
		if strings.Count(s.log.String(), "Did not reload the configuration") == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	if strings.Contains(s.scrape().body, "config_last_reload") {
		t.Error("it exposes metrics of a file that it does not have")
	}
	if a := start(t).want(http.StatusForbidden, http.MethodPost, "/-/reload", ""); !strings.Contains(a.body, "--web.enable-lifecycle") {
		t.Errorf("without the flag: got %q", a.body)
	}
}

// TestFlagsAgainstConfig has flags that say something else than the file, or
// the same.
func TestFlagsAgainstConfig(t *testing.T) {
	for _, c := range []struct{ file, flag, says string }{
		{"limits: {max_body_bytes: 1MiB}", "--push.max-body-bytes=1MiB", "limits.max_body_bytes: the flag --push.max-body-bytes sets it too; remove one of them"},
		{"limits: {max_inflight_bytes: 1GiB}", "--push.max-inflight-bytes=2GiB", "limits.max_inflight_bytes: the flag --push.max-inflight-bytes sets it too"},
		{"limits: {max_body_bytes: 600MiB}", "", "limits.max_body_bytes: it must not be more than --push.max-inflight-bytes=512MiB"},
		{"limits: {max_inflight_bytes: 1MiB}", "", "limits.max_inflight_bytes: it must not be less than the largest push, which may have 64MiB"},
		{"limits: {max_body_bytes: 5}", "", "limits.max_body_bytes: it must be at least 1KiB"},
		{`rules: [{match: '{job="a"}', ttl: 2d}]`, "--push.max-ttl=1d", "rules[0].ttl: 2d is longer than --push.max-ttl=1d"},
		{`rules: [{match: '{job="a"}', ttl: 0}]`, "--push.max-ttl=1d", "rules[0].ttl: 0 means forever, which is longer than --push.max-ttl=1d"},
		{`rules: [{match: '{}', ttl: 2d}]`, "--push.ttl=1d", "rules[0].ttl: the rule is for all groups, and so is the flag --push.ttl; remove one of them"},
		{"cluster: {url: [nats://a:1]}", "--cluster.url=nats://b:1", "cluster.url: the flag --cluster.url sets it too; remove one of them"},
		{"cluster: {url: [nats://a:1], tls: {server_name: a}}", "--cluster.tls-server-name=b", "cluster.tls.server_name: the flag --cluster.tls-server-name sets it too"},
		{"cluster: {url: [nats://a:1]}", "--persistence.file=x", "cluster: the groups are kept in the cluster or in a file, not in both; remove this, or leave out --persistence.file"},
		{"limits: {", "", "it is not YAML"},
	} {
		file := newConfig(t, c.file)
		code, _, errs := command(t, append(strings.Fields(c.flag), "--config.file="+file.path, "--web.listen-address=127.0.0.1:99999")...)
		if code != 2 || !strings.Contains(errs, file.path+":") || !strings.Contains(errs, c.says) {
			t.Errorf("%s %s: exit code %d, %q does not say %q", c.file, c.flag, code, errs, c.says)
		}
	}
}

// TestFlagsRefusedAtOnce has flags with which no gateway can start, or would wait
// forever.
func TestFlagsRefusedAtOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, says := range map[string]string{
		"--web.config.file=" + pipe:              "it is a pipe or a socket",
		"--web.config.file=" + pipe + ".nothing": "the file does not exist",
		"--push.ttl=300y":                        "\"300y\" is longer than 100 years",
		"--push.max-ttl=long":                    "\"long\" must be a duration",
	} {
		if code, _, errs := command(t, flag, "--web.listen-address=127.0.0.1:99999"); code != 2 || !strings.Contains(errs, says) {
			t.Errorf("%s: exit code %d, %q does not say %q", flag, code, errs, says)
		}
	}
}

// TestClusterBesideFile reloads a file with which the gateway could not start again.
func TestClusterBesideFile(t *testing.T) {
	file := newConfig(t, "limits: {max_series: 5}")
	s := start(t, "--config.file="+file.path, "--web.enable-lifecycle", "--persistence.file="+filepath.Join(t.TempDir(), "db"))
	file.write("cluster: {url: [nats://127.0.0.1:1]}")
	if a := s.want(http.StatusInternalServerError, http.MethodPost, "/-/reload", ""); !strings.Contains(a.body, "in the cluster or in a file, not in both") {
		t.Errorf("got %q", a.body)
	}
	s.wantLine("pushgateway_config_last_reload_successful 0")
}

// limitsOf finds the limits that an answer names.
var limitsOf = regexp.MustCompile(`limit of (\d+)`)

// underLoad are files, and what limitsSeen returns with each: limits from two
// places, and none where pushes are not allowed. The limits there would show that
// a request was allowed by one file and bounded by another.
var underLoad = []struct{ content, seen string }{
	{"limits:\n  max_series_per_group: 11\nrules:\n  - match: '{job=\"b\"}'\n    max_series_per_job: 1\n", "11 1"},
	{"limits:\n  max_series_per_group: 12\nrules:\n  - match: '{job=\"b\"}'\n    max_series_per_job: 2\naccess:\n  anonymous: [push, lifecycle]\n", "12 2"},
	{"limits:\n  max_series_per_group: 10\nrules:\n  - match: '{}'\n    max_series_per_job: 1\naccess:\n  anonymous: [lifecycle]\n", ""},
}

// TestReloadUnderLoad pushes two groups in one request, of which each is over
// another limit. Both answers, and that there are any, must come from the same
// file.
func TestReloadUnderLoad(t *testing.T) {
	reloads := 60
	if *manyReloads {
		reloads = 1000
	}
	file := newConfig(t, underLoad[0].content)
	s := start(t, "--config.file="+file.path, "--web.enable-lifecycle")
	var pushing sync.WaitGroup
	stop := make(chan struct{})
	seen := make([]map[string]int, 4)
	for i := range seen {
		seen[i] = make(map[string]int)
		pushing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					seen[i][s.limitsSeen()]++
				}
			}
		})
	}
	finish := sync.OnceFunc(func() { close(stop); pushing.Wait() })
	defer finish()
	for i := range reloads {
		now := underLoad[(i+1)%len(underLoad)]
		file.write(now.content)
		s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
		if i%10 == 9 { // a file with a mistake changes nothing
			file.write(underLoad[i%len(underLoad)].content + "acces: {}\n")
			s.want(http.StatusInternalServerError, http.MethodPost, "/-/reload", "")
		}
		if got := s.limitsSeen(); got != now.seen {
			t.Fatalf("after reload %d the limits are %q, want %q", i, got, now.seen)
		}
	}
	finish()
	both := make(map[string]int)
	for _, some := range seen {
		for limits, n := range some {
			both[limits] += n
		}
	}
	for _, c := range underLoad {
		if both[c.seen] == 0 {
			t.Errorf("no push saw %q", c.seen)
		}
		delete(both, c.seen)
	}
	if len(both) > 0 {
		t.Errorf("pushes saw these limits of no file: %v", both)
	}
}

// limitsSeen returns the limits of one group and of one job that hold for a
// request.
func (s *server) limitsSeen() string {
	s.t.Helper()
	var body strings.Builder
	for i := range 16 {
		fmt.Fprintf(&body, "m{job=%q,x=\"%d\"} 1\n", "aaaaaaaaaaaaabbb"[i:i+1], i)
	}
	a := s.do(http.MethodPost, "/api/v1/push?group_by=job", body.String())
	var limits []string
	for _, m := range limitsOf.FindAllStringSubmatch(a.body, -1) {
		limits = append(limits, m[1])
	}
	return strings.Join(limits, " ")
}

// TestWarnings reloads files that do what nobody wants, but are valid.
func TestWarnings(t *testing.T) {
	users := "access:\n  users:\n    - {name: u, certificate: u.example.org, may: [push]}\n    - {name: ops, addresses: [127.0.0.1], may: [lifecycle, scrape]}\n"
	file := newConfig(t, users)
	s := start(t, "--config.file="+file.path, "--web.enable-lifecycle")
	const unverified, open = "Nobody can be this user", "everybody may do everything"
	logged := func(reloads, unverifieds, opens int) {
		t.Helper()
		s.eventually("the log", func() bool { return strings.Count(s.log.String(), "Reloaded the configuration") == reloads })
		s.eventually("the warnings", func() bool {
			log := s.log.String()
			return strings.Count(log, unverified) == unverifieds && strings.Count(log, open) == opens
		})
	}
	logged(0, 1, 0)
	file.write("")
	s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
	logged(1, 1, 1)
	s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
	logged(2, 1, 1)
	file.write(strings.Replace(users, "certificate: u.example.org", "certificate: u.example.org, password_hash: "+bcryptOf("u"), 1))
	s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
	logged(3, 1, 1)
}
