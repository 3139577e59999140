package login

import (
	"cmp"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"pushgateway/internal/access"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
)

// ErrWrong is wrapped by the errors for credentials that nobody has.
var ErrWrong = errors.New("wrong credentials")

// User is a user of the configuration, with the ways to know a request as theirs.
// Each of a password, a token and a certificate is enough.
type User struct {
	access.Principal
	// Password is the password, or "" if there is none.
	Password string
	// Hash is the bcrypt hash of the password, or "".
	Hash string
	// Token is the bearer token, or "".
	Token string
	// Certificate is a DNS name or the common name of a verified client certificate,
	// or "".
	Certificate string
	// Addresses are the networks that requests of the user come from. If empty, they
	// come from anywhere. They identify a user who has nothing else.
	Addresses guard.Proxies
}

// Users knows who sends a request. It is immutable, and safe for concurrent use.
type Users struct {
	anonymous  *access.Principal
	all        []known // in the order of the configuration
	names      map[string]*known
	tokens     map[digest]*known
	challenges []string
	spare      string // a hash to compare with the passwords of users that there are not
	hashes     *Hashes
	proxies    guard.Proxies
}

// known is a user without the secrets themselves.
type known struct {
	who         *access.Principal
	password    digest
	hash        string // instead of the password
	certificate string
	addresses   guard.Proxies
	silent      bool // identified by the address alone
}

// NewUsers returns the users of a configuration, in its order. What anonymous may
// do, everybody may. The error says which user is wrong.
func NewUsers(users []User, anonymous access.Rights, hashes *Hashes, proxies guard.Proxies) (*Users, error) {
	u := &Users{
		anonymous: &access.Principal{Name: access.Anonymous, May: anonymous, Anybody: anonymous},
		all:       make([]known, len(users)),
		names:     make(map[string]*known), tokens: make(map[digest]*known),
		hashes: hashes, proxies: proxies,
	}
	seen := make(map[string]bool)
	for i := range users {
		user := &users[i]
		if seen[user.Name] {
			return nil, fmt.Errorf("there are two users %q; give each user another name", user.Name)
		}
		seen[user.Name] = true
		if err := u.add(&u.all[i], user); err != nil {
			return nil, fmt.Errorf("the user %q: %w", user.Name, err)
		}
	}
	u.challenges = u.challengesOf()
	return u, nil
}

// add fills in what is kept of a user.
func (u *Users) add(k *known, user *User) error {
	if err := user.check(); err != nil {
		return err
	}
	who := user.Principal
	who.Anybody = u.anonymous.May
	*k = known{who: &who, hash: user.Hash, certificate: user.Certificate, addresses: user.Addresses, silent: user.isSilent()}
	if user.Password != "" {
		k.password = u.hashes.digest(user.Password)
	}
	if user.Password != "" || user.Hash != "" {
		u.names[user.Name] = k
	}
	if u.spare == "" {
		u.spare = user.Hash
	}
	if user.Token == "" {
		return nil
	}
	token := u.hashes.digest(user.Token)
	if other := u.tokens[token]; other != nil {
		return fmt.Errorf("it has the token of %q; give each user a token of their own", other.who.Name)
	}
	u.tokens[token] = k
	return nil
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
var stranger = &access.Principal{Name: access.Anonymous}

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
func (u *Users) holds(ctx context.Context, c caller, k *known, name, password string) (bool, error) {
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
func (k *known) comesFrom(address netip.Addr) bool {
	return len(k.addresses) == 0 || address.IsValid() && k.addresses.Contains(address)
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
