package login_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
	"pushgateway/internal/login"
)

func hash(t testing.TB, password string) config.Secret {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return config.Secret(h)
}

func networks(t testing.TB, all ...string) (list []config.Network) {
	t.Helper()
	for _, s := range all {
		list = append(list, config.Network{Prefix: netip.MustParsePrefix(s)})
	}
	return list
}

// some are users with all ways to be known.
func some(t testing.TB) *config.Access {
	return &config.Access{Users: []config.User{
		{Name: "plain", Password: "plain secret"},
		{Name: "hashed", PasswordHash: hash(t, "hashed secret")},
		{Name: "token", Token: "t0ken"},
		{Name: "cert", Certificate: "cert.example"},
		{Name: "near", PasswordHash: hash(t, "near secret"), Token: "near-token", Addresses: networks(t, "10.0.0.0/8", "::1/128")},
		{Name: "near cert", Certificate: "near.example", Addresses: networks(t, "10.0.0.0/8")},
		{Name: "lan", Addresses: networks(t, "192.168.0.0/16", "2001:db8::/32")},
		{Name: "lan too", Addresses: networks(t, "192.168.7.0/24")},
	}}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// presents is the state of a connection with a client certificate.
func presents(verified bool, cn string, names ...string) *tls.ConnectionState {
	leaf := &x509.Certificate{DNSNames: names, Subject: pkix.Name{CommonName: cn}}
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	if verified {
		state.VerifiedChains = [][]*x509.Certificate{{leaf}}
	}
	return state
}

func TestIdentify(t *testing.T) {
	proxies, err := guard.ParseProxies("172.16.0.0/12")
	if err != nil {
		t.Fatal(err)
	}
	users := login.NewUsers(some(t), login.NewHashes(), proxies)
	for _, tt := range []struct {
		header []string // Authorization
		from   string
		via    string // X-Forwarded-For
		tls    *tls.ConnectionState
		want   string // "" if the credentials are wrong
	}{
		{want: "anonymous"},
		{header: []string{""}, want: "anonymous"},
		{header: []string{basic("plain", "plain secret")}, want: "plain"},
		{header: []string{"bASIC " + strings.TrimPrefix(basic("plain", "plain secret"), "Basic ")}, want: "plain"},
		{header: []string{basic("plain", "plain secret ")}},
		{header: []string{basic("plain", "")}},
		{header: []string{basic("Plain", "plain secret")}},
		{header: []string{basic("hashed", "hashed secret")}, want: "hashed"},
		{header: []string{basic("hashed", "hashed secret")}, want: "hashed"}, // remembered
		{header: []string{basic("hashed", "plain secret")}},
		{header: []string{basic("hashed", strings.Repeat("x", 73))}},
		{header: []string{basic("nobody", "hashed secret")}},
		{header: []string{basic("token", "t0ken")}},
		{header: []string{basic("cert", "")}},
		{header: []string{basic("lan", "")}, from: "192.168.7.1"},
		{header: []string{basic("", "")}},
		{header: []string{"Bearer t0ken"}, want: "token"},
		{header: []string{"bearer  t0ken "}, want: "token"},
		{header: []string{"Bearer t0ke"}},
		{header: []string{"Bearer "}},
		{header: []string{"Bearer"}},
		{header: []string{"Bearer plain secret"}},
		{header: []string{"Digest t0ken"}},
		{header: []string{"t0ken"}},
		{header: []string{"Basic !"}},
		{header: []string{"Bearer t0ken", "Bearer t0ken"}},
		{header: []string{"", basic("plain", "plain secret")}},

		{header: []string{basic("near", "near secret")}},
		{header: []string{basic("near", "near secret")}, from: "10.1.2.3", want: "near"},
		{header: []string{basic("near", "near secret")}, from: "::ffff:10.1.2.3", want: "near"},
		{header: []string{basic("near", "near secret")}, from: "::1", want: "near"},
		{header: []string{"Bearer near-token"}, from: "::1", want: "near"},
		{header: []string{"Bearer near-token"}, from: "::2"},
		{from: "10.1.2.3", want: "anonymous"},

		{tls: presents(true, "x", "a.example", "cert.example"), want: "cert"},
		{tls: presents(true, "cert.example"), want: "cert"},
		{tls: presents(true, "cert.example", "other.example"), want: "cert"},
		{tls: presents(true, "other.example", "*.example"), want: "anonymous"},
		{tls: presents(true, "cert.example.org"), want: "anonymous"},
		{tls: presents(true, ""), want: "anonymous"},
		{tls: presents(false, "cert.example", "cert.example"), want: "anonymous"},
		{tls: presents(true, "near.example"), want: "anonymous"},
		{tls: presents(true, "near.example"), from: "10.1.2.3", want: "near cert"},
		{tls: presents(true, "near.example"), from: "192.168.7.9", want: "lan"},
		{tls: presents(true, "cert.example"), from: "192.168.7.9", want: "cert"},
		{tls: presents(true, "cert.example"), header: []string{"Bearer t0ken"}, want: "token"},
		{tls: presents(true, "cert.example"), header: []string{"Bearer wrong"}},

		{from: "192.168.7.1", want: "lan"}, // the first of the file
		{from: "2001:db8::9", want: "lan"},
		{from: "192.169.0.1", want: "anonymous"},
		{from: "172.16.0.1", via: "192.168.0.1", want: "lan"},
		{from: "172.16.0.1", via: "192.168.0.1, 8.8.8.8", want: "anonymous"},
		{from: "8.8.8.8", via: "192.168.0.1", want: "anonymous"},
		{from: "@", want: "anonymous"}, // a unix socket
		{from: "192.168.7.1", header: []string{"Bearer wrong"}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.TLS = "8.8.8.8:99", tt.tls
		if tt.from != "" {
			r.RemoteAddr = netip.AddrPortFrom(parse(tt.from), 99).String()
		}
		if tt.from == "@" {
			r.RemoteAddr = tt.from
		}
		if tt.header != nil {
			r.Header["Authorization"] = tt.header
		}
		if tt.via != "" {
			r.Header.Set("X-Forwarded-For", tt.via)
		}
		who, err := users.Identify(r)
		if tt.want == "" && (!errors.Is(err, login.ErrWrong) || who.Known() || who.Anybody != 0) || tt.want != "" && (err != nil || who.Name != tt.want) {
			t.Errorf("%q from %q via %q: got %+v, %v, want %q", tt.header, tt.from, tt.via, who, err, tt.want)
		}
	}
}

func parse(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

// TestAnonymous says what those may do who show nothing.
func TestAnonymous(t *testing.T) {
	for name, tt := range map[string]struct {
		may  []config.Permission
		want string
	}{
		"absent": {nil, "health"},
		"empty":  {[]config.Permission{}, ""},
		"some":   {[]config.Permission{config.UI, config.Scrape}, "scrape and ui"},
	} {
		users := login.NewUsers(&config.Access{Anonymous: tt.may, Users: some(t).Users}, login.NewHashes(), nil)
		who, err := users.Identify(httptest.NewRequest(http.MethodGet, "/", nil))
		if err != nil || who.Anybody.String() != tt.want {
			t.Errorf("%s: got %+v, %v", name, who, err)
		}
	}
	if login.NewUsers(nil, login.NewHashes(), nil) != nil {
		t.Error("there are users without a section for them")
	}
}

// TestChallenges has a challenge for each way to send credentials, and always
// one.
func TestChallenges(t *testing.T) {
	for name, tt := range map[string]struct {
		users []config.User
		want  string
	}{
		"passwords": {some(t).Users[:2], "Basic"},
		"tokens":    {some(t).Users[2:3], "Bearer"},
		"both":      {some(t).Users, "Basic,Bearer"},
		"neither":   {some(t).Users[6:], "Bearer"},
	} {
		var got []string
		for _, c := range login.NewUsers(&config.Access{Users: tt.users}, login.NewHashes(), nil).Challenges() {
			scheme, _, _ := strings.Cut(c, " ")
			got = append(got, scheme)
		}
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestWebConfig has users in both files. The header belongs to those of
// --web.config.file, unless the name is in both.
func TestWebConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	content := "basic_auth_users:\n  door: " + string(hash(t, "open")) + "\n  plain: " + string(hash(t, "plain secret")) + "\n  hashed: " + string(hash(t, "another")) + "\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	hashes := login.NewHashes()
	users := login.NewUsers(some(t), hashes, nil)
	for _, tt := range []struct {
		header string
		tls    *tls.ConnectionState
		want   string // "" if it is turned away
	}{
		{header: basic("door", "open"), want: "anonymous"},
		{header: basic("door", "open"), tls: presents(true, "cert.example"), want: "cert"},
		{header: basic("door", "shut")},
		{header: basic("plain", "plain secret"), want: "plain"},
		{header: basic("plain", "wrong")},
		{header: basic("hashed", "another")},       // good for one file only
		{header: basic("hashed", "hashed secret")}, // for the other
		{header: "Bearer t0ken"},
	} {
		got := ""
		toolkit := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				return // which the toolkit answers with 401
			}
			if who, err := users.Identify(r); err == nil {
				got = who.Name
			}
		})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.TLS = tt.tls
		r.Header.Set("Authorization", tt.header)
		login.New(file, nil, hashes).Before(toolkit).ServeHTTP(httptest.NewRecorder(), r)
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.header, got, tt.want)
		}
	}
}
