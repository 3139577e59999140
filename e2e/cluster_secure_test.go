package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/natstest"
	"pushgateway/internal/testproc"
)

// permissions returns the subjects that docs/cluster.md tells operators to
// allow, for a stream.
func permissions(t *testing.T, stream string) (publish, subscribe []string) {
	t.Helper()
	page := string(must(os.ReadFile("../docs/cluster.md")))
	_, paragraph, _ := strings.Cut(page, "If credentials limit what a gateway may do")
	paragraph, _, _ = strings.Cut(paragraph, "\n\n")
	first, second, _ := strings.Cut(paragraph, "subscribe to")
	subjects := func(text string) (all []string) {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
			all = append(all, strings.ReplaceAll(m[1], "PUSHGATEWAY", stream))
		}
		return all
	}
	if publish, subscribe = subjects(first), subjects(second); len(publish) < 3 || len(subscribe) < 2 {
		t.Fatalf("the page names the subjects %q and %q", publish, subscribe)
	}
	return publish, subscribe
}

// writePair writes a certificate and its key into files.
func writePair(t *testing.T, dir string, c tls.Certificate) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// unready starts a gateway that waits for its cluster.
func unready(t *testing.T, args ...string) *server {
	t.Helper()
	p := testproc.Launch(t, exec.Command(binary, append([]string{"--web.listen-address=127.0.0.1:0"}, args...)...))
	if !p.AwaitListening() {
		t.Fatalf("it ended:\n%s", p.Log)
	}
	return &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
}

// TestClusterSecured has a server that asks for a certificate and credentials,
// which allow no more than the documentation says is needed.
func TestClusterSecured(t *testing.T) {
	authority, stranger, dir := newAuthority(t), newAuthority(t), t.TempDir()
	pool := x509.NewCertPool()
	pool.AddCert(authority.cert)
	publish, subscribe := permissions(t, "S")
	servers, credentials := natstest.StartSecured(t, &tls.Config{
		Certificates: []tls.Certificate{authority.client("nats", "nats.example.org")}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, publish, subscribe)
	ca, other := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "other.pem")
	for file, of := range map[string]string{ca: authority.pem(), other: stranger.pem()} {
		if err := os.WriteFile(file, []byte(of), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := writePair(t, dir, authority.client("gateway"))
	good := []string{
		"--cluster.credentials-file=" + credentials, "--cluster.tls-ca-file=" + ca, "--cluster.tls-cert-file=" + cert,
		"--cluster.tls-key-file=" + key, "--cluster.tls-server-name=nats.example.org",
	}
	system := "--cluster.system-credentials-file=" + servers.SystemCredentials([]string{"$SYS.REQ.SERVER.PING.JSZ"}, []string{"_INBOX.>"})
	a, b := joinCluster(t, servers, "S", good...), joinCluster(t, servers, "S", append(slices.Clone(good), system)...)
	b.eventually("that the gateway checks the servers", func() bool { return strings.Contains(b.log.String(), "Checked all NATS servers") })
	a.push("/metrics/job/j", "m 1\n", http.StatusOK)
	b.exposes(`m{instance="",job="j"} 1`, true)
	b.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/j", "m 1 1\n")
	b.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/j", "")
	a.exposes(`m{instance="",job="j"} 1`, false)

	without := func(flag string) []string {
		return append(clusterArgs(servers, "S"), slices.DeleteFunc(slices.Clone(good), func(arg string) bool { return strings.HasPrefix(arg, "--cluster."+flag) })...)
	}
	for says, args := range map[string][]string{
		"unknown authority":           append(without("tls-ca-file"), "--cluster.tls-ca-file="+other),
		"doesn't contain any IP SANs": without("tls-server-name"),
		"Authorization Violation":     without("credentials-file"),
		"certificate required":        slices.DeleteFunc(without("tls-cert-file"), func(arg string) bool { return strings.HasPrefix(arg, "--cluster.tls-key-file") }),
		"Permissions Violation":       append(clusterArgs(servers, "T"), good...),
	} {
		s := unready(t, args...)
		s.eventually(fmt.Sprintf("%q at /-/ready", says), func() bool {
			return strings.Contains(s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body, says)
		})
	}
	s := joinCluster(t, servers, "S", append(slices.Clone(without("tls-"))[3:], "--cluster.tls-insecure-skip-verify", "--cluster.tls-cert-file="+cert, "--cluster.tls-key-file="+key)...)
	s.push("/metrics/job/j", "m 1\n", http.StatusOK)
}

// TestClusterPasswords waits for servers whose URLs have a password. Neither the
// log nor an answer may show it.
func TestClusterPasswords(t *testing.T) {
	const url = "nats://gateway:s3cret@127.0.0.1:1"
	for name, args := range map[string][]string{
		"flag": {"--cluster.url=" + url},
		"file": {"--config.file=" + newConfig(t, "cluster: {url: ['"+url+"']}\n").path},
	} {
		s := unready(t, args...)
		s.eventually("what it waits for", func() bool {
			return strings.Contains(s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body, "connecting to nats://gateway:xxxxx@127.0.0.1:1")
		})
		if body := s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body; strings.Contains(body+s.log.String(), "s3cret") {
			t.Errorf("%s: the password is in %s\n%s", name, body, s.log)
		}
	}
}

// oldServer greets each client as a NATS server of an old version, and answers
// nothing but pings.
func oldServer(t *testing.T, version string) (url string) {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go greet(c, version)
		}
	}()
	return "nats://" + l.Addr().String()
}

func greet(c net.Conn, version string) {
	defer c.Close()
	fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":%q,\"proto\":1,\"headers\":true,\"jetstream\":true,\"max_payload\":1048576}\r\n", version)
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "PING") {
			fmt.Fprint(c, "PONG\r\n")
		}
	}
}

// TestClusterOldServers refuses servers that are known to lose data, unless told
// to accept them.
func TestClusterOldServers(t *testing.T) {
	const accept = "--cluster.allow-old-servers"
	for _, tt := range []struct {
		version, flag string
		refused       bool
	}{
		{"2.9.25", "", true}, {"2.15.1", "", true}, {"", "", true}, {"2.9.25", accept, false},
		{"2.15.2-RC.1", "", false}, {"2.15.2", "", false}, {"2.16.0", "", false}, {"3.0.0", "", false},
	} {
		t.Run(tt.version+tt.flag, func(t *testing.T) {
			t.Parallel() // each waits for answers
			args := append(strings.Fields(tt.flag), "--cluster.url="+oldServer(t, tt.version))
			if !tt.refused {
				s := unready(t, args...)
				s.eventually("that it waits", func() bool {
					return strings.Contains(s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body, "it waits: making or checking the stream")
				})
				return
			}
			out, err := exec.Command(binary, append(args, "--web.listen-address=127.0.0.1:0")...).CombinedOutput()
			for _, want := range []string{"has version " + tt.version, "upgrade it to 2.15.2, or accept that with " + accept} {
				if err == nil || !strings.Contains(string(out), want) {
					t.Errorf("got %v, %s", err, out)
				}
			}
		})
	}
}
