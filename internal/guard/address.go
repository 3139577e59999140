// Package guard protects the gateway from clients that misbehave. It bounds what
// they can send and ask for. It shares scarce resources among client addresses,
// so that no client starves the others: memory of pushes, turns, password checks.
// It finds the address of a request's client, also behind proxies, and remembers
// which pushes were refused.
package guard

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Sockets is what all clients that come through a unix socket count as: one
// address. It is also how a list of proxies names them.
const Sockets = "unix"

// Proxies are the proxies whose X-Forwarded-For header is believed. The zero
// value trusts nobody.
type Proxies []proxy

// proxy is a network of proxies, or what comes through unix sockets.
type proxy struct {
	network netip.Prefix
	sockets bool
}

func (p proxy) String() string {
	if p.sockets {
		return Sockets
	}
	return p.network.String()
}

// ParseProxies parses a comma-separated list of networks and addresses, and
// "unix" for unix sockets.
func ParseProxies(list string) (Proxies, error) {
	var p Proxies
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if part == Sockets {
			p = append(p, proxy{sockets: true})
			continue
		}
		network, err := parseNetwork(part)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network; write networks and addresses like 10.0.0.0/8,192.0.2.7,2001:db8::/32, or unix for unix sockets", part)
		}
		p = append(p, proxy{network: network})
	}
	return p, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		network, err := netip.ParsePrefix(s)
		return network.Masked(), err
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return addr.Prefix(addr.BitLen())
}

// Contains reports whether an address is in one of the networks.
func (p Proxies) Contains(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(p proxy) bool { return p.network.Contains(addr) })
}

func (p Proxies) trustSockets() bool {
	return slices.ContainsFunc(p, func(p proxy) bool { return p.sockets })
}

// Client returns the address of the client that sent a request, without a port.
// It is the peer of the connection, unless that is a trusted proxy. Then it is
// the last address in X-Forwarded-For that is not a trusted proxy, since
// anybody may have written what precedes it. An invalid address and everything
// before it is ignored.
func (p Proxies) Client(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	host = cmp.Or(host, r.RemoteAddr) // of a listener that is not TCP
	if len(p) == 0 {
		return host
	}
	if host == Sockets {
		if p.trustSockets() {
			return p.forwarded(Sockets, r.Header["X-Forwarded-For"])
		}
		return host
	}
	peer, ok := parseHop(host)
	if !ok {
		return host
	}
	if !p.Contains(peer) {
		return peer.String()
	}
	return p.forwarded(peer.String(), r.Header["X-Forwarded-For"])
}

// forwarded returns the client of a trusted peer with these headers.
func (p Proxies) forwarded(peer string, headers []string) string {
	for i := len(headers) - 1; i >= 0; i-- {
		for rest, more := headers[i], true; more; {
			hop := rest
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, hop = rest[:at], rest[at+1:]
			} else {
				more = false
			}
			addr, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				return peer
			}
			if peer = addr.String(); !p.Contains(addr) {
				return peer
			}
		}
	}
	return peer
}

// parseHop parses an address with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		both, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = both.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// ParseAddress parses what Client returns. It is false for a client without an
// address, like that of a unix socket.
func ParseAddress(client string) (netip.Addr, bool) { return parseHop(client) }

// networkBits is how many bits of an IPv6 address identify a client, which
// usually has the whole network.
const networkBits = 64

// Key returns what a client counts as: its address, or its network if that has
// more addresses than could be counted.
func Key(client string) string {
	if !strings.Contains(client, ":") {
		return client
	}
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return client
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	network, err := addr.WithZone("").Prefix(networkBits)
	if err != nil {
		return client
	}
	return network.String()
}
