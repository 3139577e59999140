package attack

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// users are users of that file, with their names as passwords.
func users(t *testing.T, cost int, names ...string) string {
	t.Helper()
	all := "basic_auth_users:\n"
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(name), cost)
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintf("  %s: %s\n", name, hash)
	}
	return all
}

// as is the header of a user with a password.
func as(user, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

// TestWrongPasswords sends wrong passwords over many connections, as fast as
// they are answered. Good logins are answered, known or not.
func TestWrongPasswords(t *testing.T) {
	g := begin(t, command("--web.config.file="+webConfig(t, users(t, 12, "known", "late"))))
	g.header = as("known", "known")
	g.watch(1)
	besieged(t, g)
	var all sync.WaitGroup
	end := make(chan struct{})
	for i := range 100 {
		client := clientFrom(attacker, 3*time.Second) // and then tries another
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				// It may be refused, or still wait when the test ends.
				status, _, err := ask(client, http.MethodGet, g.base+"/metrics", "", as([]string{"known", "nobody"}[i%2], fmt.Sprint("wrong", i, n))...)
				if err == nil && status != http.StatusUnauthorized && status != http.StatusServiceUnavailable {
					t.Errorf("a wrong password: got %d", status)
				}
			}
		})
	}
	time.Sleep(time.Second) // until all of them are there
	g.watch(20)
	late := *g
	late.header = as("late", "late")
	late.watch(20)
	close(end)
	all.Wait()
}

// TestLongPasswords holds that passwords which bcrypt would cut are wrong.
func TestLongPasswords(t *testing.T) {
	long := strings.Repeat("x", 72)
	hash, err := bcrypt.GenerateFromPassword([]byte(long), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	g := begin(t, command("--web.config.file="+webConfig(t, fmt.Sprintf("basic_auth_users: {u: %s}\n", hash))))
	g.want(http.StatusOK, http.MethodGet, "/metrics", "", as("u", long)...)
	g.want(http.StatusUnauthorized, http.MethodGet, "/metrics", "", as("u", long+"x")...)
	g.want(http.StatusUnauthorized, http.MethodGet, "/metrics", "", as("u", strings.Repeat("x", 40_000))...)
}

// TestPasswordsChange holds that a login is good for as long as the file says so.
func TestPasswordsChange(t *testing.T) {
	file := webConfig(t, users(t, bcrypt.MinCost, "a", "b"))
	g := begin(t, command("--web.config.file="+file))
	for _, step := range []struct {
		content string
		a, b    int
	}{
		{users(t, bcrypt.MinCost, "a", "b"), 200, 200},
		{users(t, bcrypt.MinCost, "a"), 200, 401},
		{users(t, bcrypt.MinCost, "b"), 401, 200},
		{"{}", 200, 200},
		{"basic_auth_users: [", 500, 500},
		{users(t, bcrypt.MinCost, "a"), 200, 401},
	} {
		if err := os.WriteFile(file, []byte(step.content), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			g.want(step.a, http.MethodGet, "/metrics", "", as("a", "a")...)
			g.want(step.b, http.MethodGet, "/metrics", "", as("b", "b")...)
		}
	}
}
