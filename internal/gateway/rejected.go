package gateway

import (
	"crypto/sha256"
	"encoding/binary"
)

// A push may leave out points of its body that were refused. Its client learns
// how many, and must learn the same when it sends the body again. So a second
// receipt has the number, in the place of the hash of a body.

// rejectedID returns the ID of the receipt of what a push left out. id is that of
// the push.
func rejectedID(id [16]byte) [16]byte {
	sum := sha256.Sum256(append([]byte("rejected\xff"), id[:]...))
	return [16]byte(sum[:16])
}

// rejected returns the receipt of what a push leaves out, if it does.
func (o *Once) rejected(at int64) []Receipt {
	if o.Rejected == 0 {
		return nil
	}
	r := Receipt{ID: rejectedID(o.id), At: at}
	binary.BigEndian.PutUint64(r.Content[:], uint64(o.Rejected))
	return []Receipt{r}
}

// rejectedOf returns how many points a push left out when it counted.
func (s *summing) rejectedOf(o *Once) int {
	id := rejectedID(o.id)
	r, known := s.receipts[id]
	if !known {
		s.gateway.mu.Lock()
		defer s.gateway.mu.Unlock()
		r, _ = s.gateway.index.receipts.find(id, s.gateway.config.Now())
	}
	return int(binary.BigEndian.Uint64(r.Content[:8]))
}
