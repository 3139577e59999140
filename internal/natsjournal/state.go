package natsjournal

import (
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// state is what a member knows of the stream. It does no input or output.
// Journal.mu guards it.
//
// A message is applied when it is newer than what is known of its group: the
// order matters only within a group. So an acknowledged change is applied at
// once, whatever comes before it in the stream. position says up to where
// nothing is missing.
type state struct {
	entries  map[string]*entry // by token; groups that have ended lately included
	position uint64            // every message up to here is applied or superseded
	ahead    span              // messages behind a gap that are already applied
	fetched  uint64            // the highest position that was reached by fetching
	writes   map[string]*write // in progress, by id
	late     map[*write]bool   // those that wait for a message
	latest   witness
	waiting  []waiter
}

// span is a range of sequences. It is empty if to is 0.
type span struct{ from, to uint64 }

// witness is the latest change of a group that is applied. A stream that still has
// it has not been set back to before it.
type witness struct {
	seq uint64
	id  string // of its message
}

// saw notes a change that is applied.
func (s *state) saw(seq uint64, id string) {
	if seq > s.latest.seq && id != "" {
		s.latest = witness{seq, id}
	}
}

// entry is what is known of a group.
type entry struct {
	key   grouping.Key
	seq   uint64 // of its latest message; 0 if it has only stamps
	live  bool   // the latest message is not its end
	size  int    // of that message's body, in bytes
	write *write // in progress, or nil
	ended time.Time
	stamp stamped
	// receipts are those of the last hour, oldest first.
	receipts []gateway.Receipt
	// spilled are those of receipts that need no longer be in its messages, and
	// spilling means that some are about to become so; see spill.go. A key that is
	// used again after its hour has another receipt with the same ID.
	spilled  map[gateway.Receipt]bool
	spilling bool
	// unreadable is why the latest message cannot be read, or nil. The engine then
	// still has the group as it was before.
	unreadable error
}

// stamped is the latest stamp of a group. seq is 0 while it has not come back
// from the stream.
type stamped struct {
	seq uint64
	at  int64 // Unix time in ns; 0 if there is no stamp
}

// waiter waits for a position.
type waiter struct {
	seq     uint64
	reached chan struct{}
}

func newState() state {
	return state{entries: make(map[string]*entry), writes: make(map[string]*write), late: make(map[*write]bool)}
}

// entry returns the entry of a token, and makes it if there is none.
func (s *state) entry(token string) *entry {
	e := s.entries[token]
	if e == nil {
		e = new(entry)
		s.entries[token] = e
	}
	return e
}

// revision returns the revision of the group as the engine knows it.
func (e *entry) revision() gateway.Revision {
	if e == nil || !e.live {
		return 0
	}
	return gateway.Revision(e.seq)
}

// advance notes that a message was applied. It reports whether messages before
// it are missing.
func (s *state) advance(seq uint64) (gap bool) {
	switch {
	case seq <= s.position:
		return false
	case seq == s.position+1:
		s.position = seq
	case s.ahead.to != 0 && seq == s.ahead.to+1:
		s.ahead.to = seq
	case seq > s.ahead.to:
		s.ahead = span{seq, seq}
	}
	s.join()
	s.wake()
	return s.ahead.to != 0
}

// acknowledged is advance for an acknowledgement, which comes before or after
// the same message of the feed, so that it shows no gap.
func (s *state) acknowledged(seq uint64) {
	if seq == s.position+1 {
		s.advance(seq)
	}
}

// fetchedTo notes that everything up to seq was applied, some of it by
// fetching.
func (s *state) fetchedTo(seq uint64) {
	if seq <= s.position {
		return
	}
	s.position, s.fetched = seq, seq
	s.join()
	s.wake()
}

// join moves the position over what was applied ahead of it.
func (s *state) join() {
	if s.ahead.to == 0 || s.position+1 < s.ahead.from {
		return
	}
	s.position, s.ahead = max(s.position, s.ahead.to), span{}
}

func (s *state) wake() {
	rest := s.waiting[:0]
	for _, w := range s.waiting {
		if w.seq > s.position {
			rest = append(rest, w)
			continue
		}
		close(w.reached)
	}
	s.waiting = rest
}

// wait returns a channel that is closed once the position is at seq.
func (s *state) wait(seq uint64) <-chan struct{} {
	reached := make(chan struct{})
	if seq <= s.position {
		close(reached)
		return reached
	}
	s.waiting = append(s.waiting, waiter{seq, reached})
	return reached
}

// forgetAfter is how long the end of a group is remembered: longer than the
// stream does. A later end would only cost another attempt.
const forgetAfter = 3 * markerTTL

// forget drops groups that ended long ago.
func (s *state) forget(now time.Time) {
	for token, e := range s.entries {
		if !e.live && e.write == nil && e.stamp.at == 0 && now.Sub(e.ended) > forgetAfter {
			delete(s.entries, token)
		}
	}
}
