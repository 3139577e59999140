package guard

import "context"

// Turns limits the concurrent answers of one kind, like scrapes. It is safe for
// concurrent use.
type Turns struct{ shares *Shares }

// NewTurns returns turns for this many answers at once.
func NewTurns(most int) Turns { return Turns{NewShares(int64(most))} }

// Most returns how many answers there may be at once.
func (t Turns) Most() int { return int(t.shares.total) }

// Wait waits for a turn of the client with this address. It returns a function
// that gives the turn back, or nil if ctx ends first. Clients with the fewest
// turns go first. cutOff is called to end the answer soon if its client has
// several turns and a client with fewer is waiting.
func (t Turns) Wait(ctx context.Context, address string, cutOff func()) (giveBack func()) {
	lease := t.shares.Open(address)
	if lease.Wait(ctx, 1) != nil {
		lease.Close()
		return nil
	}
	lease.Endable(cutOff)
	return lease.Close
}
