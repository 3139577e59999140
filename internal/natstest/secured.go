package natstest

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// StartSecured starts a server that asks for credentials, and returns a file
// with some. Their user may publish and subscribe to these subjects alone.
func StartSecured(t testing.TB, tls *tls.Config, publish, subscribe []string) (c *Cluster, credentials string) {
	t.Helper()
	operator, system, account := newKey(t, nkeys.PrefixByteOperator), newKey(t, nkeys.PrefixByteAccount), newKey(t, nkeys.PrefixByteAccount)
	resolver := new(server.MemAccResolver)
	for _, of := range []key{system, account} {
		claims := jwt.NewAccountClaims(of.public)
		if of == account {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: memory, DiskStorage: storage, Streams: -1, Consumer: -1}
		}
		if err := resolver.Store(of.public, sign(t, claims, operator)); err != nil {
			t.Fatal(err)
		}
	}
	trusted := jwt.NewOperatorClaims(operator.public)
	trusted.SystemAccount = system.public
	sign(t, trusted, operator)
	c = start(t, 1, func(o *server.Options) {
		o.SyncAlways = true
		o.TLSConfig, o.TLSTimeout = tls, ready.Seconds()
		o.TrustedOperators, o.SystemAccount, o.AccountResolver = []*jwt.OperatorClaims{trusted}, system.public, resolver
	})
	c.system, c.account = system, account
	return c, userOf(t, account, time.Time{}, publish, subscribe)
}

// SystemCredentials returns a file with the credentials of a user of the system
// account, who may publish and subscribe to these subjects alone.
func (c *Cluster) SystemCredentials(publish, subscribe []string) (file string) {
	c.t.Helper()
	return userOf(c.t, c.system, time.Time{}, publish, subscribe)
}

// Credentials returns a file with the credentials of another user, which end at a
// time.
func (c *Cluster) Credentials(end time.Time) (file string) {
	c.t.Helper()
	return userOf(c.t, c.account, end, nil, nil)
}

// userOf makes a user of an account, and returns the file with its credentials.
// They never end if end is zero.
func userOf(t testing.TB, account key, end time.Time, publish, subscribe []string) (file string) {
	t.Helper()
	user := newKey(t, nkeys.PrefixByteUser)
	claims := jwt.NewUserClaims(user.public)
	if !end.IsZero() {
		claims.Expires = end.Unix()
	}
	claims.Pub.Allow, claims.Sub.Allow = publish, subscribe
	seed, err := user.pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	content, err := jwt.FormatUserConfig(sign(t, claims, account), seed)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// key is a pair of keys.
type key struct {
	pair   nkeys.KeyPair
	public string
}

func newKey(t testing.TB, kind nkeys.PrefixByte) key {
	t.Helper()
	pair, err := nkeys.CreatePair(kind)
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key{pair, public}
}

func sign(t testing.TB, claims jwt.Claims, by key) string {
	t.Helper()
	token, err := claims.Encode(by.pair)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
