package natsjournal

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// peers are the members that give signs of life. It is safe for concurrent use.
type peers struct {
	mu  sync.Mutex
	all map[string]Peer // by process
}

// Peer is a member, which may be this one.
type Peer struct {
	Address string
	Heard   time.Time     // when it last gave a sign of life
	Skew    time.Duration // by how much its clock is ahead of that of the servers
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
	p.all[m.token] = Peer{Address: body.Member, Heard: now, Skew: body.At.Sub(m.at)}
}

// Peers returns the members that gave a sign of life within the last hour and
// have not left, sorted by address, each address once.
func (j *Journal) Peers() []Peer {
	j.peers.mu.Lock()
	defer j.peers.mu.Unlock()
	all := make([]Peer, 0, len(j.peers.all))
	for _, peer := range j.peers.all {
		all = append(all, peer)
	}
	slices.SortFunc(all, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), b.Heard.Compare(a.Heard))
	})
	return slices.CompactFunc(all, func(a, b Peer) bool { return a.Address == b.Address })
}

// Skew returns by how much the clock of this member is ahead of that of the
// servers.
func (j *Journal) Skew() time.Duration {
	j.peers.mu.Lock()
	defer j.peers.mu.Unlock()
	return j.peers.all[j.pulses.process].Skew
}
