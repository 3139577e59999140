// Package login stands before the basic authentication of exporter-toolkit,
// which checks one password at a time, and forgets good ones when wrong ones
// come. Here wrong passwords make nobody else wait for long.
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
	// maxPassword is what bcrypt looks at, in bytes. Longer ones are wrong.
	maxPassword = 72
	// maxProven bounds the logins that are remembered.
	maxProven = 1000
	// patience is how long a password waits to be checked.
	patience = 30 * time.Second
)

// Guard checks passwords. Those that were good are remembered until the file
// changes; wrong ones are never remembered. It is safe for concurrent use.
type Guard struct {
	file    string
	proxies guard.Proxies
	places  *guard.Shares // of passwords that are being checked
	secret  []byte

	mu      sync.Mutex
	content []byte            // of the file
	users   map[string]string // with their hashes
	proven  map[login]bool
}

// login is a user with a password and the hash that it fits, in a form that
// tells nobody any of these.
type login [sha256.Size]byte

// New makes a guard for the users of a file as --web.config.file takes it. One
// core is left to others, and to the toolkit, which checks what was found good
// once more.
func New(file string, proxies guard.Proxies) *Guard {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails
	return &Guard{
		file: file, proxies: proxies, secret: secret,
		places: guard.NewShares(int64(max(1, runtime.GOMAXPROCS(0)-1))),
	}
}

// Before gives the toolkit only logins that are good. From others it takes the
// password away, so that the toolkit answers them as ever, but hashes nothing.
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
		toolkit.ServeHTTP(w, r) // which says what is wrong with the file, if anything is
	})
}

// check tells whether the password of a request is good, or does not matter.
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
	if !known { // takes as long
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

// read gives the users as they are now.
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

// remember notes a good login. Only other good ones can take its place. The
// hash is part of it, so that it is of no use once the user has another.
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

// compare waits for its turn, one for each address, and hashes.
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
