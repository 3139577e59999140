// Package guard has what holds when clients misbehave. It bounds what they can
// send and ask for. It shares what there is little of among their addresses, so
// that nobody starves the others: memory of pushes, turns, checks of passwords. It
// knows whose address a request has, behind proxies as well, and remembers whose
// pushes were refused.
package guard

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of proxies that may say for whom they ask, in
// X-Forwarded-For. The zero value trusts nobody.
type Proxies []netip.Prefix

// ParseProxies reads a list of networks and addresses, separated by commas.
func ParseProxies(list string) (Proxies, error) {
	var p Proxies
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		network, err := parseNetwork(part)
		if err != nil {
			return nil, fmt.Errorf("%q is no network; write networks and addresses like 10.0.0.0/8,192.0.2.7,2001:db8::/32", part)
		}
		p = append(p, network)
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

func (p Proxies) trusts(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// Client gives the address of the client that a request comes from, without a
// port. It is the peer of the connection, unless that is a trusted proxy. Then
// it is the last address of X-Forwarded-For that is not of a trusted proxy:
// what stands before that, anybody may have written. Nothing is believed from
// a part on that is no address.
func (p Proxies) Client(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	host = cmp.Or(host, r.RemoteAddr) // of a listener that is not TCP
	if len(p) == 0 {
		return host
	}
	peer, ok := parseHop(host)
	if !ok {
		return host
	}
	if !p.trusts(peer) {
		return peer.String()
	}
	headers := r.Header["X-Forwarded-For"]
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
				return peer.String()
			}
			if peer = addr; !p.trusts(peer) {
				return peer.String()
			}
		}
	}
	return peer.String()
}

// parseHop reads an address, with a port or without.
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

// networkBits is how much of an IPv6 address tells clients apart: whoever has
// one such address usually has all of its network.
const networkBits = 64

// Key gives what a client is counted under: its address, or its network where
// it has as many addresses as it likes.
func Key(client string) string {
	if !strings.Contains(client, ":") {
		return client
	}
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return client
	}
	network, err := addr.Prefix(networkBits)
	if err != nil {
		return client
	}
	return network.String()
}
