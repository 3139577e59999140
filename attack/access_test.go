package attack

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// withUsers is a gateway with users: one with a token, and two whose passwords
// take long to check.
func withUsers(t *testing.T, run func(args ...string) *exec.Cmd) *gateway {
	t.Helper()
	hash := func(password string) string {
		h, err := bcrypt.GenerateFromPassword([]byte(password), 12)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"token": "t0ken", "config.yml": fmt.Sprintf(`access:
  users:
    - {name: job, token_file: token, may: [push, scrape]}
    - {name: known, password_hash: %s, may: [push, scrape]}
    - {name: late, password_hash: %s, may: [push, scrape]}
    - {name: limited, token_file: %s, may: [push], match: '{job=~"ci_.*"}'}
`, hash("known"), hash("late"), "limited"), "limited": "limited"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := begin(t, run("--config.file="+filepath.Join(dir, "config.yml")))
	g.header = []string{"Authorization", "Bearer t0ken"}
	return g
}

// TestWrongCredentials sends wrong passwords and tokens, and pushes to groups of
// others, over many connections and as fast as they are answered. Users with
// tokens, known and new passwords are served, and the log stays short.
func TestWrongCredentials(t *testing.T) {
	g := besieged(t, withUsers(t, command))
	known, late := *g, *g
	known.header, late.header = as("known", "known"), as("late", "late")
	known.watch(1)
	var (
		all      sync.WaitGroup
		answered atomic.Int64
		end      = make(chan struct{})
	)
	for i := range 24 {
		client := clientFrom(attacker, 3*time.Second)
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				header := [][]string{as("known", fmt.Sprint("wrong", i, n)), as("nobody", "x"), {"Authorization", fmt.Sprint("Bearer wrong", i, n)}, {"Authorization", "Bearer limited"}}[i%4]
				method, path, body := http.MethodPut, fmt.Sprintf("/metrics/job/bystander/i/%d-%d", i, n), "m 1\n"
				if i%4 < 2 { // the gateway notices that its client has left
					method, path, body = http.MethodGet, "/metrics", ""
				}
				want := []int{http.StatusUnauthorized, http.StatusUnauthorized, http.StatusUnauthorized, http.StatusForbidden}[i%4]
				// A password may wait for longer than the client does.
				status, _, err := ask(client, method, g.base+path, body, header...)
				if err != nil {
					continue
				}
				answered.Add(1)
				if status != want && status != http.StatusServiceUnavailable {
					t.Errorf("%q: got %d, want %d", header, status, want)
				}
			}
		})
	}
	time.Sleep(time.Second) // until all of them are there
	g.watch(5)
	known.watch(5)
	late.watch(5)
	close(end)
	all.Wait()
	if n, size := answered.Load(), len(g.proc.Log.String()); n < 24 || size > 100_000 {
		t.Errorf("%d requests were answered, and the log has %d bytes", n, size)
	}
}

// TestWrongPasswordsOnAllConnections has a wrong password on each connection
// that there may be, with requests that change something and have no body.
func TestWrongPasswordsOnAllConnections(t *testing.T) {
	g := besieged(t, withUsers(t, func(args ...string) *exec.Cmd { return withFiles(300, args...) }))
	for range 3 {
		sendAll(g.connectAll(400), "DELETE /metrics/job/a HTTP/1.1\r\nHost: a\r\nAuthorization: "+as("known", "wrong")[1]+"\r\n\r\n")
		g.watch(5)
	}
}
