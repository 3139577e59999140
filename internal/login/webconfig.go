package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"

	"go.yaml.in/yaml/v2"

	"pushgateway/internal/guard"
)

// Guard stands in front of the basic authentication of exporter-toolkit, which
// checks one password at a time, and forgets correct ones when wrong ones arrive.
// It is safe for concurrent use.
type Guard struct {
	file    string
	proxies guard.Proxies
	hashes  *Hashes

	mu      sync.Mutex
	content []byte            // of the file when it was last read
	users   map[string]string // users with their hashes
}

// New returns a guard for the users in a file for --web.config.file.
func New(file string, proxies guard.Proxies, hashes *Hashes) *Guard {
	return &Guard{file: file, proxies: proxies, hashes: hashes}
}

// passed marks the context of a request whose Authorization header belongs to a
// user of the file.
type passed struct{}

// Before passes only correct logins to the toolkit. It removes the password
// from others, so that the toolkit refuses them as usual but hashes nothing.
func (g *Guard) Before(toolkit http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			toolkit.ServeHTTP(w, r)
			return
		}
		users, err := g.read()
		if err != nil || len(users) == 0 {
			toolkit.ServeHTTP(w, r) // it reports what is wrong with the file, if anything is
			return
		}
		good, err := g.check(r, users)
		switch {
		case errors.Is(err, guard.ErrNoRoom):
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many passwords are being checked; try again", http.StatusServiceUnavailable)
			return
		case err == nil && good:
			r = r.WithContext(context.WithValue(r.Context(), passed{}, true))
		case err == nil:
			r = r.Clone(r.Context())
			r.Header.Del("Authorization")
		}
		toolkit.ServeHTTP(w, r)
	})
}

// check reports whether a request has the password of a user.
func (g *Guard) check(r *http.Request, users map[string]string) (bool, error) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return false, nil
	}
	hash, known := users[user]
	if !known { // takes as long as a real check
		hash = users[slices.Min(slices.Collect(maps.Keys(users)))]
	}
	return g.hashes.check(r.Context(), g.proxies.Client(r), user, password, hash, known)
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
	g.content, g.users = content, config.Users
	if g.users == nil {
		g.users = make(map[string]string)
	}
	return g.users, nil
}

// VerifiesCertificates reports whether a file for --web.config.file has client
// certificates verified. If it cannot be read, nothing is.
func VerifiesCertificates(file string) bool {
	var config struct {
		TLS struct {
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	content, err := os.ReadFile(file)
	if err != nil || yaml.Unmarshal(content, &config) != nil {
		return false
	}
	return config.TLS.ClientAuth == "VerifyClientCertIfGiven" || config.TLS.ClientAuth == "RequireAndVerifyClientCert"
}
