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
	mu   sync.Mutex
	all  map[string]Peer   // by process
	seqs map[string]uint64 // of the latest message of each process, also of those that have left

	began time.Time // when this process gave its first sign of life, as far as hasTwin knows
	told  bool      // that another member has its address; only watchAddress uses it
}

// Peer is a member, which may be this one.
type Peer struct {
	gateway.Member
	Reads gateway.Format // the newest one that it reads
}

func newPeers() peers { return peers{all: make(map[string]Peer), seqs: make(map[string]uint64)} }

// heard notes a sign of life, or that the stream has forgotten a member. It
// returns when the member sent it, by the member's clock, or 0.
func (p *peers) heard(m message) (sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.seq <= p.seqs[m.token] {
		return sent // fetched after what came later
	}
	if p.seqs[m.token] = m.seq; m.marker {
		delete(p.seqs, m.token)
	}
	var body alive
	if m.marker || m.op != opAlive || json.Unmarshal(m.body, &body) != nil {
		delete(p.all, m.token)
		return sent
	}
	peer := Peer{
		Member: gateway.Member{Address: body.Member, Version: body.Version, Heard: m.at, Skew: body.At.Sub(m.at), Revision: gateway.Revision(body.Applied), Lag: body.Lag},
		Reads:  max(body.Reads, gateway.Format1),
	}
	if body.Applied != 0 && body.Applied+1 < m.seq {
		peer.Behind = m.seq - 1 - body.Applied
	}
	p.all[m.token] = peer
	return body.At
}

// Peers returns the members with an address that gave a sign of life within the
// last hour and have not left, sorted by address, each address once.
func (j *Journal) Peers() []Peer {
	j.peers.mu.Lock()
	defer j.peers.mu.Unlock()
	all := make([]Peer, 0, len(j.peers.all))
	now := j.Now()
	for process, peer := range j.peers.all {
		if peer.Address == "" {
			continue
		}
		if peer.Self = process == j.pulses.process; peer.Self {
			peer.Skew = j.Skew()
		}
		if silent := now.Sub(peer.Heard); silent > overdue {
			peer.Lag = max(peer.Lag, silent)
		}
		all = append(all, peer)
	}
	slices.SortFunc(all, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), b.Heard.Compare(a.Heard))
	})
	return slices.CompactFunc(all, func(a, b Peer) bool { return a.Address == b.Address })
}

// Writes returns the newest format that every member reads, and the address of
// a member that reads no newer one. A member that ended without leaving counts
// for an hour, unless another one has its address by then. One without an address,
// such as a command, counts only while it gives signs of life.
func (j *Journal) Writes() (newest gateway.Format, member string) {
	if newest = j.config.Newest; newest < gateway.NewestFormat {
		member = j.config.Member
	}
	j.peers.mu.Lock()
	defer j.peers.mu.Unlock()
	now := j.Now()
	for _, peer := range j.peers.all {
		if peer.Reads < newest && !j.peers.replaced(peer) && !peer.isOver(now) {
			newest, member = peer.Reads, cmp.Or(peer.Address, nameless)
		}
	}
	return newest, member
}

// nameless is the name of a member without an address.
const nameless = "without an address (a command like import, export or backup)"

// isOver reports whether a member without an address has ended. If it was only
// paused, and then reads something that is too new for it, it fails.
func (p Peer) isOver(now time.Time) bool { return p.Address == "" && now.Sub(p.Heard) > silence }

// hasTwin reports whether another process shows the address of this one, and has
// given a sign of life since this one has begun.
func (p *peers) hasTwin(self string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	own, ok := p.all[self]
	if !ok {
		return false
	}
	if p.began.IsZero() {
		p.began = own.Heard
	}
	for process, peer := range p.all {
		if process != self && peer.Address == own.Address && own.Address != "" && peer.Heard.Sub(p.began) > overdue {
			return true
		}
	}
	return false
}

// watchAddress tells if another member shows the address of this one.
func (j *Journal) watchAddress() {
	twin := j.peers.hasTwin(j.pulses.process)
	if twin && !j.peers.told {
		j.config.Logger.Error("Another gateway of the stream shows the address of this one, so /api/v1/targets and /api/v1/members list only one of them. Give each its own --cluster.advertise-address", "address", j.config.Member)
	}
	j.peers.told = twin
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
