package login

import (
	"cmp"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"pushgateway/internal/access"
	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
)

// ErrWrong is wrapped by the errors for credentials that nobody has.
var ErrWrong = errors.New("wrong credentials")

// Users knows who sends a request. It does not change, and is safe for concurrent
// use.
type Users struct {
	anonymous  *access.Principal
	all        []user // in the order of the configuration
	names      map[string]*user
	tokens     map[digest]*user
	challenges []string
	spare      string // a hash to compare with the passwords of users that there are not
	hashes     *Hashes
	proxies    guard.Proxies
}

// user is a user without the secrets themselves.
type user struct {
	who         *access.Principal
	password    digest
	hash        string // instead of the password
	certificate string
	addresses   []config.Network
	silent      bool // known by the address alone
}

// NewUsers returns the users of a configuration, in its order, or nil if it has
// no section for them. What anonymous may do, everybody may. proxies are those
// that are believed.
func NewUsers(c *config.Access, hashes *Hashes, proxies guard.Proxies) *Users {
	if c == nil {
		return nil
	}
	anonymous := access.RightsTo(config.Health) // probes have no secrets
	if c.Anonymous != nil {
		anonymous = access.RightsTo(c.Anonymous...)
	}
	u := &Users{
		anonymous: &access.Principal{Name: config.Anonymous, May: anonymous, Anybody: anonymous},
		all:       make([]user, len(c.Users)),
		names:     make(map[string]*user), tokens: make(map[digest]*user),
		hashes: hashes, proxies: proxies,
	}
	for i := range c.Users {
		u.all[i] = u.user(&c.Users[i])
		u.list(&u.all[i], &c.Users[i])
	}
	u.challenges = u.challengesOf()
	return u
}

// user returns what is kept of a user.
func (u *Users) user(c *config.User) user {
	who := &access.Principal{Name: c.Name, May: access.RightsTo(c.May...), Anybody: u.anonymous.May, Match: c.Match}
	return user{
		who: who, password: u.hashes.digest(string(c.Password)), hash: string(c.PasswordHash), certificate: c.Certificate, addresses: c.Addresses,
		silent: c.Password == "" && c.PasswordHash == "" && c.Token == "" && c.Certificate == "",
	}
}

// list enters a user where it is looked up.
func (u *Users) list(as *user, c *config.User) {
	if c.Password != "" || c.PasswordHash != "" {
		u.names[c.Name] = as
	}
	if c.Token != "" {
		u.tokens[u.hashes.digest(string(c.Token))] = as
	}
	u.spare = cmp.Or(u.spare, as.hash)
}

// challengesOf returns the values of WWW-Authenticate. There is always one, as
// HTTP wants it.
func (u *Users) challengesOf() (all []string) {
	if len(u.names) > 0 {
		all = append(all, `Basic realm="pushgateway", charset="UTF-8"`)
	}
	if len(u.tokens) > 0 || len(all) == 0 {
		all = append(all, `Bearer realm="pushgateway"`)
	}
	return all
}

// NeedsCertificates returns the name of a user who is known by a certificate
// alone, or "" if there is none. A nil Users has none.
func (u *Users) NeedsCertificates() string {
	if u == nil {
		return ""
	}
	for i := range u.all {
		if k := &u.all[i]; k.certificate != "" && u.names[k.who.Name] != k && !slices.Contains(slices.Collect(maps.Values(u.tokens)), k) {
			return k.who.Name
		}
	}
	return ""
}

// Challenges returns the values of the header WWW-Authenticate.
func (u *Users) Challenges() []string { return u.challenges }

// Identify returns who sends a request: the user of its Authorization header, or
// else of its client certificate, or else of its address, or anonymous. Where
// several users have the certificate or the address, it is the first. The error
// is ErrWrong for credentials that no user has, and guard.ErrNoRoom if too many
// passwords are being checked; then the principal is anonymous, but may do
// nothing.
func (u *Users) Identify(r *http.Request) (*access.Principal, error) {
	c := caller{client: u.proxies.Client(r), header: r.Header["Authorization"]}
	c.address, _ = guard.ParseAddress(c.client)
	if u.isForGateway(r) {
		who, err := u.byHeader(r.Context(), c)
		return cmp.Or(who, stranger), err
	}
	names := certificateNames(r)
	for i := range u.all {
		k := &u.all[i]
		if k.certificate != "" && slices.Contains(names, k.certificate) && k.comesFrom(c.address) {
			return k.who, nil
		}
	}
	for i := range u.all {
		if k := &u.all[i]; k.silent && k.comesFrom(c.address) {
			return k.who, nil
		}
	}
	return u.anonymous, nil
}

// stranger is the sender of wrong credentials.
var stranger = &access.Principal{Name: config.Anonymous}

// caller is what a request says of its sender.
type caller struct {
	client  string
	address netip.Addr // of the client; invalid if it has none, as with a unix socket
	header  []string   // Authorization
}

// isForGateway reports whether a request has credentials for a user of the
// gateway. A login of --web.config.file whose name no user has is none.
func (u *Users) isForGateway(r *http.Request) bool {
	if header := r.Header["Authorization"]; len(header) == 0 || len(header) == 1 && header[0] == "" {
		return false
	}
	if r.Context().Value(passed{}) == nil {
		return true
	}
	name, _, _ := r.BasicAuth()
	return u.names[name] != nil
}

// byHeader returns the user whose credentials a request has.
func (u *Users) byHeader(ctx context.Context, c caller) (*access.Principal, error) {
	if len(c.header) > 1 { // a proxy may have seen another one than the gateway
		return nil, fmt.Errorf("%w: the request has %d Authorization headers; send one", ErrWrong, len(c.header))
	}
	scheme, rest, _ := strings.Cut(c.header[0], " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return u.byToken(c, strings.TrimSpace(rest))
	case strings.EqualFold(scheme, "Basic"):
		name, password, ok := (&http.Request{Header: http.Header{"Authorization": c.header}}).BasicAuth()
		if ok {
			return u.byPassword(ctx, c, name, password)
		}
	}
	return nil, fmt.Errorf("%w: the Authorization header holds neither a password (Basic) nor a token (Bearer); send one of these", ErrWrong)
}

func (u *Users) byToken(c caller, token string) (*access.Principal, error) {
	k := u.tokens[u.hashes.digest(token)]
	if k == nil || !k.comesFrom(c.address) {
		return nil, fmt.Errorf("%w: no user has this token, or that user must not come from %s; check the token", ErrWrong, excerpt.Of(c.client))
	}
	return k.who, nil
}

func (u *Users) byPassword(ctx context.Context, c caller, name, password string) (*access.Principal, error) {
	k := u.names[name]
	good, err := u.holds(ctx, c, k, name, password)
	if err != nil {
		return nil, fmt.Errorf("too many passwords are being checked; try again: %w", err)
	}
	if !good {
		return nil, fmt.Errorf("%w: there is no user %q with a password, the password is another one, or the user must not come from %s; check the name and the password", ErrWrong, excerpt.Of(name), excerpt.Of(c.client))
	}
	return k.who, nil
}

// holds reports whether a password is that of k. It takes as long if k is nil, if
// any user has a hash.
func (u *Users) holds(ctx context.Context, c caller, k *user, name, password string) (bool, error) {
	switch {
	case k != nil && !k.comesFrom(c.address), k == nil && u.spare == "":
		return false, nil
	case k == nil:
		return u.hashes.check(ctx, c.client, name, password, u.spare, false)
	case k.hash != "":
		return u.hashes.check(ctx, c.client, name, password, k.hash, true)
	}
	given := u.hashes.digest(password)
	return hmac.Equal(k.password[:], given[:]), nil
}

// comesFrom reports whether requests of the user may come from an address.
func (k *user) comesFrom(address netip.Addr) bool {
	return len(k.addresses) == 0 || slices.ContainsFunc(k.addresses, func(n config.Network) bool { return n.Contains(address) })
}

// certificateNames returns the names in the client certificate of a request, if
// it was verified.
func certificateNames(r *http.Request) []string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	leaf := r.TLS.VerifiedChains[0][0]
	if leaf.Subject.CommonName == "" {
		return leaf.DNSNames
	}
	return append(slices.Clone(leaf.DNSNames), leaf.Subject.CommonName)
}
