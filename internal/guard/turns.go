package guard

import "context"

// Turns are the answers of one kind, like scrapes, that are being given: so
// many at once. Shares is safe for concurrent use.
type Turns struct{ shares *Shares }

// NewTurns has places for so many.
func NewTurns(most int) Turns { return Turns{NewShares(int64(most))} }

// Most is how many there may be at once.
func (t Turns) Most() int { return int(t.shares.Total()) }

// Wait waits until ctx ends for a turn of the client with this address, to be
// given back. Those of the clients that have fewest go first. If there is none
// in time it gives nil. CutOff is called if its client has several turns and
// somebody waits who has fewer: it is to end the answer soon.
func (t Turns) Wait(ctx context.Context, address string, cutOff func()) (giveBack func()) {
	lease := t.shares.Open(address)
	if lease.Wait(ctx, 1) != nil {
		lease.Close()
		return nil
	}
	lease.Endable(cutOff)
	return lease.Close
}
