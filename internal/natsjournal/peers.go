package natsjournal

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/gateway"
)

// peers are the members that give signs of life. It is safe for concurrent use.
type peers struct {
	mu  sync.Mutex
	all map[string]Peer // by process
}

// Peer is a member, which may be this one.
type Peer struct {
	Address string
	Heard   time.Time      // when it last gave a sign of life
	Skew    time.Duration  // by how much its clock is ahead of that of the servers
	Reads   gateway.Format // the newest one that it reads
}

func newPeers() peers { return peers{all: make(map[string]Peer)} }

// heard notes a sign of life, or that the stream has forgotten a member.
func (p *peers) heard(m message, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var body alive
	if m.marker || m.op != opAlive || json.Unmarshal(m.body, &body) != nil {
		delete(p.all, m.token)
		return
	}
	p.all[m.token] = Peer{Address: body.Member, Heard: now, Skew: body.At.Sub(m.at), Reads: max(body.Reads, gateway.Format1)}
}

// Peers returns the members with an address that gave a sign of life within the
// last hour and have not left, sorted by address, each address once.
func (j *Journal) Peers() []Peer {
	j.peers.mu.Lock()
	defer j.peers.mu.Unlock()
	all := make([]Peer, 0, len(j.peers.all))
	for _, peer := range j.peers.all {
		if peer.Address != "" {
			all = append(all, peer)
		}
	}
	slices.SortFunc(all, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), b.Heard.Compare(a.Heard))
	})
	return slices.CompactFunc(all, func(a, b Peer) bool { return a.Address == b.Address })
}

// Writes returns the newest format that every member reads, and the address of
// a member that reads no newer one. A member that ended without leaving counts
// for an hour, unless another one has its address by then.
func (j *Journal) Writes() (newest gateway.Format, member string) {
	if newest = j.config.Newest; newest < gateway.NewestFormat {
		member = j.config.Member
	}
	j.peers.mu.Lock()
	defer j.peers.mu.Unlock()
	for _, peer := range j.peers.all {
		if peer.Reads < newest && !j.peers.replaced(peer) {
			newest, member = peer.Reads, peer.Address
		}
	}
	return newest, member
}

// replaced reports whether a member is silent, and another one has its address.
// The caller holds mu.
func (p *peers) replaced(old Peer) bool {
	for _, peer := range p.all {
		if old.Address != "" && peer.Address == old.Address && peer.Heard.Sub(old.Heard) > silence {
			return true
		}
	}
	return false
}

// Skew returns by how much the clock of this member is ahead of that of the
// servers.
func (j *Journal) Skew() time.Duration {
	j.peers.mu.Lock()
	defer j.peers.mu.Unlock()
	return j.peers.all[j.pulses.process].Skew
}
