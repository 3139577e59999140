// Package listen opens the addresses that the gateway serves: TCP ports, vsock
// ports and unix sockets. It replaces the socket file of a process that has
// died, and never touches one of a process that lives.
package listen

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Address is where to listen.
type Address struct {
	// Network is "tcp", "vsock" or "unix".
	Network string
	// Host and Port are those of TCP. vsock has a port alone.
	Host, Port string
	// Path and Mode are those of the file of a unix socket.
	Path string
	Mode fs.FileMode
}

const (
	vsockScheme = "vsock://"
	unixScheme  = "unix:"
	// defaultMode lets the owner and the group of the socket connect, whatever
	// the umask.
	defaultMode fs.FileMode = 0o660
)

// maxPath is the length of the longest path that a socket can have, in bytes.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// Parse parses an address like 127.0.0.1:9091, [::1]:9091, :9091,
// vsock://:9091 or unix:/path?mode=0660. The error says how to write it.
func Parse(s string) (Address, error) {
	if strings.HasPrefix(s, unixScheme) {
		return parseUnix(s)
	}
	network, rest := "tcp", s
	if port, ok := strings.CutPrefix(s, vsockScheme); ok {
		network, rest = "vsock", port
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return Address{}, errors.New("it must be a host and a port, or a port alone, like 127.0.0.1:9091, [::1]:9091 or :9091, or a socket like unix:/run/pushgateway/http.sock")
	}
	if network == "vsock" {
		if _, err := strconv.ParseUint(port, 10, 32); err != nil {
			return Address{}, errors.New("the port of vsock must be a number, like vsock://:9091")
		}
	}
	return Address{Network: network, Host: host, Port: port}, nil
}

func parseUnix(s string) (Address, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Address{}, fmt.Errorf("%w; write it like unix:/run/pushgateway/http.sock, with %%25 for a %%", errors.Unwrap(err))
	}
	switch {
	case strings.HasPrefix(u.Opaque, "@"):
		return Address{}, errors.New("abstract sockets have no permissions, so every process on this machine could connect; use a path, like unix:/run/pushgateway/http.sock")
	case u.Host != "" || !filepath.IsAbs(u.Path) || u.Fragment != "":
		return Address{}, errors.New("the path of the socket must be absolute; write it like unix:/run/pushgateway/http.sock")
	case len(u.Path) > maxPath:
		return Address{}, fmt.Errorf("the path of the socket has %d bytes, and the system allows %d; use a shorter one", len(u.Path), maxPath)
	case strings.HasSuffix(u.Path, "/") || strings.ContainsRune(u.Path, 0):
		return Address{}, errors.New("the path of the socket must name a file; write it like unix:/run/pushgateway/http.sock")
	}
	mode, err := modeOf(u.RawQuery)
	return Address{Network: "unix", Path: u.Path, Mode: mode}, err
}

// modeOf returns the mode in the query of an address.
func modeOf(query string) (fs.FileMode, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, fmt.Errorf("%q after the path cannot be read: %w; write it like ?mode=0660", query, err)
	}
	for name := range values {
		if name != "mode" {
			return 0, fmt.Errorf("unknown setting %q after the path; only mode exists, like ?mode=0660", name)
		}
	}
	given, ok := values["mode"]
	if !ok {
		return defaultMode, nil
	}
	mode, err := strconv.ParseUint(given[0], 8, 32)
	if err != nil || mode > 0o777 || len(given) > 1 {
		return 0, fmt.Errorf("mode=%s: it must be one octal number up to 0777, like mode=0660", strings.Join(given, ","))
	}
	return fs.FileMode(mode), nil
}

// String returns the address as a flag has it, without the mode.
func (a Address) String() string {
	switch a.Network {
	case "unix":
		return (&url.URL{Scheme: "unix", Opaque: (&url.URL{Path: a.Path}).EscapedPath()}).String()
	case "vsock":
		return vsockScheme + net.JoinHostPort(a.Host, a.Port)
	}
	return net.JoinHostPort(a.Host, a.Port)
}

// Collides reports whether both addresses cannot be listened on at once.
func (a Address) Collides(b Address) bool {
	switch {
	case a.Network != b.Network:
		return false
	case a.Network == "unix":
		return filepath.Clean(a.Path) == filepath.Clean(b.Path)
	case a.Port != b.Port || a.AnyPort():
		return false
	}
	return a.Network == "vsock" || a.Host == b.Host || a.anyHost() || b.anyHost()
}

// AnyPort reports whether the system chooses the port.
func (a Address) AnyPort() bool {
	return a.Network != "unix" && strings.Trim(cmp.Or(a.Port, "0"), "0") == ""
}

// anyHost reports whether the address is on all interfaces.
func (a Address) anyHost() bool {
	ip := net.ParseIP(a.Host)
	return a.Host == "" || ip.IsUnspecified()
}

// URL returns the URL by which a process on this machine reaches a TCP address
// or a unix socket, with a path for everything that is served.
func (a Address) URL(tls bool, path string) string {
	scheme, prefix := "http", ""
	if tls {
		scheme, prefix = "https", "https+"
	}
	if a.Network == "unix" {
		to := (&url.URL{Path: a.Path}).EscapedPath()
		if path != "" {
			to += ":" + path
		}
		return prefix + unixScheme + to
	}
	host := a.Host
	if a.anyHost() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, a.Port) + path
}
