// Package login stands in front of the basic authentication of
// exporter-toolkit, which checks one password at a time, and forgets correct
// ones when wrong ones arrive. With login, wrong passwords delay nobody else
// for long.
package login

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.yaml.in/yaml/v2"
	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/guard"
)

const (
	// maxPassword is how many bytes of a password bcrypt uses. Longer passwords
	// are wrong.
	maxPassword = 72
	// maxProven bounds the logins that are remembered.
	maxProven = 1000
	// patience is how long a password waits for its check.
	patience = 30 * time.Second
)

// Guard checks passwords. It remembers correct ones until the file changes, and
// never remembers wrong ones. It is safe for concurrent use.
type Guard struct {
	file    string
	proxies guard.Proxies
	places  *guard.Shares // turns of password checks
	secret  []byte

	mu      sync.Mutex
	content []byte            // modification time of the file
	users   map[string]string // users with their hashes
	proven  map[login]bool
}

// login identifies a user, a password and its hash, in a form that reveals none
// of them.
type login [sha256.Size]byte

// New returns a guard for the users in a file for --web.config.file. It leaves
// one core to other work, and to the toolkit, which checks correct passwords
// once more.
func New(file string, proxies guard.Proxies) *Guard {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails
	return &Guard{
		file: file, proxies: proxies, secret: secret,
		places: guard.NewShares(int64(max(1, runtime.GOMAXPROCS(0)-1))),
	}
}

// Before passes only correct logins to the toolkit. It removes the password
// from others, so that the toolkit refuses them as usual but hashes nothing.
func (g *Guard) Before(toolkit http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			toolkit.ServeHTTP(w, r)
			return
		}
		good, err := g.check(r)
		switch {
		case errors.Is(err, guard.ErrNoRoom):
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many passwords are being checked; try again", http.StatusServiceUnavailable)
			return
		case err == nil && !good:
			r = r.Clone(r.Context())
			r.Header.Del("Authorization")
		}
		toolkit.ServeHTTP(w, r) // it reports what is wrong with the file, if anything is
	})
}

// check reports whether the password of a request is correct or does not
// matter.
func (g *Guard) check(r *http.Request) (bool, error) {
	users, err := g.read()
	if err != nil || len(users) == 0 {
		return true, err
	}
	user, password, ok := r.BasicAuth()
	if !ok || len(password) > maxPassword {
		return false, nil
	}
	hash, known := users[user]
	if !known { // takes as long as a real check
		hash = users[slices.Min(slices.Collect(maps.Keys(users)))]
	}
	l := g.login(user, password, hash)
	if known && g.isProven(l) {
		return true, nil
	}
	matches, err := g.compare(r, hash, password)
	if !matches || !known {
		return false, err
	}
	g.remember(l)
	return true, nil
}

// read returns the present users.
func (g *Guard) read() (map[string]string, error) {
	content, err := os.ReadFile(g.file)
	if err != nil {
		return nil, fmt.Errorf("reading the users: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users != nil && bytes.Equal(content, g.content) {
		return g.users, nil
	}
	var config struct {
		Users map[string]string `yaml:"basic_auth_users"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return nil, fmt.Errorf("reading the users of %s: %w", g.file, err)
	}
	g.content, g.users, g.proven = content, config.Users, make(map[login]bool)
	if g.users == nil {
		g.users = make(map[string]string)
	}
	return g.users, nil
}

func (g *Guard) login(user, password, hash string) login {
	mac := hmac.New(sha256.New, g.secret)
	for _, part := range []string{user, password, hash} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return login(mac.Sum(nil))
}

func (g *Guard) isProven(l login) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proven[l]
}

// remember records a correct login. Only other correct ones can replace it. It
// includes the hash, so that it becomes useless when the user gets another
// password.
func (g *Guard) remember(l login) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for old := range g.proven {
		if len(g.proven) < maxProven {
			break
		}
		delete(g.proven, old)
	}
	g.proven[l] = true
}

// compare waits for its turn, of which each address has one at a time, and
// hashes the password.
func (g *Guard) compare(r *http.Request, hash, password string) (bool, error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	place := g.places.Open(g.proxies.Client(r))
	defer place.Close()
	if err := place.Wait(ctx, 1); err != nil {
		return false, err
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil, nil
}
