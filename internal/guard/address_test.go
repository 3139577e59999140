package guard_test

import (
	"net/http"
	"testing"

	"pushgateway/internal/guard"
)

func TestClient(t *testing.T) {
	for _, tt := range []struct {
		proxies, peer string
		forwarded     []string
		want          string
	}{
		{"", "192.0.2.1:5", nil, "192.0.2.1"},
		{"", "192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"10.0.0.0/8", "192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"10.0.0.0/8", "10.1.2.3:5", nil, "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.1.2.3", "10.1.2.3:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.1.2.3", "10.1.2.4:5", []string{"198.51.100.1"}, "10.1.2.4"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"198.51.100.9, 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"198.51.100.9,198.51.100.1 , 10.9.9.9"}, "198.51.100.1"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"198.51.100.9", "198.51.100.1", "10.9.9.9"}, "198.51.100.1"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"10.4.4.4, 10.5.5.5"}, "10.4.4.4"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"198.51.100.1, junk"}, "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"junk, 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"junk, 10.9.9.9"}, "10.9.9.9"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"198.51.100.1,"}, "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{""}, "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3:5", []string{"unknown"}, "10.1.2.3"},
		{"10.0.0.0/8", "[::ffff:10.1.2.3]:5", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"fd00::/8, 10.0.0.0/8", "[fd00::1%eth0]:5", []string{"2001:db8::1%x"}, "2001:db8::1"},
		{"10.0.0.0/8", "@", []string{"198.51.100.1"}, "@"},
		{"", "unix", []string{"198.51.100.1"}, "unix"},
		{"10.0.0.0/8", "unix", []string{"198.51.100.1"}, "unix"},
		{"unix", "unix", []string{"198.51.100.1"}, "198.51.100.1"},
		{"unix", "unix", nil, "unix"},
		{"unix", "unix", []string{"junk"}, "unix"},
		{"10.0.0.0/8, unix", "unix", []string{"198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		{"unix", "10.1.2.3:5", []string{"198.51.100.1"}, "10.1.2.3"},
		{"unix", "10.1.2.3:5", []string{"unix"}, "10.1.2.3"},
		{"10.0.0.0/8", "vm(3):1024", nil, "vm(3)"},
	} {
		proxies, err := guard.ParseProxies(tt.proxies)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.forwarded}}
		if got := proxies.Client(r); got != tt.want {
			t.Errorf("from %s by way of %q, trusting %q: got %q, want %q", tt.peer, tt.forwarded, tt.proxies, got, tt.want)
		}
	}
}

func TestParseProxies(t *testing.T) {
	for _, bad := range []string{"10.0.0.0/33", "proxy", "10.0.0", "10.0.0.1:80", "fe80::1/200", "unix:/run/a", "Unix"} {
		if p, err := guard.ParseProxies(bad); err == nil {
			t.Errorf("%q: got %v", bad, p)
		}
	}
}

func TestKey(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::/64", "2001:db8::2:0:0:1": "2001:db8::/64", "2001:db8:0:1::1": "2001:db8:0:1::/64", "@": "@",
		"::ffff:192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::/64",
	} {
		if got := guard.Key(client); got != want {
			t.Errorf("%s: got %s, want %s", client, got, want)
		}
	}
}
