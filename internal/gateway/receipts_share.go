package gateway

import (
	"fmt"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/guard"
)

// The gateway remembers a bounded number of receipts. A client that uses up most of them
// is refused before others are: it may have at most so many times as many as are
// left. So there are always some left for others, and the more clients use up
// many, the less each of them may have.
const (
	shareOfLeft = 3
	// shareWindow is the unit of time in which the receipts of a client are counted.
	shareWindow = 20 * time.Minute
	// shareWindows cover the life of a receipt.
	shareWindows = int(ReceiptLife/shareWindow) + 1
)

// receiptShares counts the receipts that clients of this member have lately asked for.
// Gateway.mu guards it.
type receiptShares struct {
	window int64                           // the present one
	by     map[string]*[shareWindows]int32 // by client; the present window comes first
}

// turn forgets what is too long ago.
func (s *receiptShares) turn(now time.Time) {
	window := now.UnixNano() / int64(shareWindow)
	for ; s.window < window && len(s.by) > 0; s.window++ {
		for client, counts := range s.by {
			copy(counts[1:], counts[:])
			if counts[0] = 0; *counts == [shareWindows]int32{} {
				delete(s.by, client)
			}
		}
	}
	s.window = window
}

// add counts receipts of a client, which may be unknown.
func (s *receiptShares) add(client string, n int, now time.Time) {
	s.turn(now)
	if client == "" {
		return
	}
	if s.by == nil {
		s.by = make(map[string]*[shareWindows]int32)
	}
	if s.by[client] == nil {
		s.by[client] = new([shareWindows]int32)
	}
	s.by[client][0] += int32(n)
}

// admit returns an error if a client may not have more receipts while so many are left
// for all.
func (s *receiptShares) admit(client string, left int, l *Limits, now time.Time) error {
	s.turn(now)
	used := 0
	if counts := s.by[client]; counts != nil {
		for _, n := range counts {
			used += int(n)
		}
	}
	if used <= shareOfLeft*left {
		return nil
	}
	return &guard.LimitError{
		Limit: guard.LimitIdempotencyKeys, At: l.Sources[guard.LimitIdempotencyKeys], Stored: true, Err: exposition.ErrBusy,
		Says:   fmt.Sprintf("pushes from %s have used %d of the %d keys that the gateway remembers, and the %d that are left are for others", client, used, l.Receipts, left),
		Advice: "try again later, or add up in the client and push less often",
		Wait:   shareWindow,
	}
}
