package gateway

import "time"

// Member is one of several processes that share what is stored, as another one
// knows it.
type Member struct {
	Address string    // where others reach it
	Version string    // of the program; "" if it is one that does not tell
	Self    bool      // it is the process that asks
	Heard   time.Time // by the clock of the servers
	// Revision is up to where it had everything when it was last heard, and Behind
	// how many changes and signs of life followed then.
	Revision Revision
	Behind   uint64
	// Lag is for how long it is not known to have had everything, 0 if it has.
	Lag time.Duration
	// Skew is by how much its clock is ahead of that of the servers.
	Skew time.Duration
}
