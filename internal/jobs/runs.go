package jobs

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"time"
)

// Run is a run of a job that has ended.
type Run struct {
	Ended  time.Time // to the millisecond
	Failed bool
	// ExitCode is NaN if unknown. It is a whole number otherwise.
	ExitCode float64
	// Duration is in seconds, to the millisecond, and NaN if unknown.
	Duration float64
}

// Runs are the last runs of a group, as its record holds them: about ten bytes a
// run, the last one first. A run is
//
//	a byte of flags
//	a varint: Unix time in ms of its end; after the first run, how much earlier than the run before
//	a varint: its exit code, if a flag says so
//	an unsigned varint: its duration in ms, if a flag says so
//
// Text that is not like that ends the runs.
type Runs []byte

// The flags of a run. Others are 0.
const (
	runFailed   = 1 << iota // it failed
	runExited0              // its exit code is 0
	runExited               // its exit code follows
	runMeasured             // its duration follows
	runFlags    = runMeasured<<1 - 1
)

// Bounds of what a run can have.
const (
	maxExitCode = math.MaxInt32      // and -maxExitCode
	maxDuration = 100 * 365 * 86_400 // seconds
	maxRunSize  = 1 + 3*binary.MaxVarintLen64
)

// runsCursor reads runs.
type runsCursor struct {
	rest  Runs
	ended int64 // of the run before, in Unix ms
	begun bool
}

// next returns the next run, or false if there is none.
func (c *runsCursor) next() (r Run, ok bool) {
	rest := c.rest
	if len(rest) == 0 || rest[0] > runFlags || rest[0]&runExited0 != 0 && rest[0]&runExited != 0 {
		return r, false
	}
	flags := rest[0]
	rest = rest[1:]
	step, ok := rest.varint()
	if !ok {
		return r, false
	}
	ended := step
	if c.begun {
		ended = c.ended - step
	}
	r = Run{Ended: time.UnixMilli(ended), Failed: flags&runFailed != 0, ExitCode: math.NaN(), Duration: math.NaN()}
	if r.ExitCode, ok = rest.exitCode(flags); !ok {
		return r, false
	}
	if r.Duration, ok = rest.duration(flags); !ok {
		return r, false
	}
	c.rest, c.ended, c.begun = rest, ended, true
	return r, true
}

func (s *Runs) exitCode(flags byte) (code float64, ok bool) {
	switch {
	case flags&runExited0 != 0:
		return 0, true
	case flags&runExited == 0:
		return math.NaN(), true
	}
	n, ok := s.varint()
	return float64(n), ok && n >= -maxExitCode && n <= maxExitCode
}

func (s *Runs) duration(flags byte) (seconds float64, ok bool) {
	if flags&runMeasured == 0 {
		return math.NaN(), true
	}
	ms, ok := s.uvarint()
	return float64(ms) / 1000, ok && ms <= maxDuration*1000
}

// varint cuts off a signed number.
func (s *Runs) varint() (n int64, ok bool) {
	u, ok := s.uvarint()
	n = int64(u >> 1)
	if u&1 != 0 {
		n = ^n
	}
	return n, ok
}

// uvarint cuts off a number. Only its shortest form counts.
func (s *Runs) uvarint() (n uint64, ok bool) {
	for i := 0; i < len(*s) && i < binary.MaxVarintLen64; i++ {
		b := (*s)[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			return 0, false
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			*s = (*s)[i+1:]
			return n, i == 0 || b > 0
		}
	}
	return 0, false
}

// size returns how many bytes the first run has, or 0 if it is cut off. Each push
// of a run asks for that of all others, so the values are not read.
func (s Runs) size() (n int) {
	if len(s) == 0 {
		return 0
	}
	left := 1 + int(s[0]&runExited)/runExited + int(s[0]&runMeasured)/runMeasured
	for n = 1; left > 0; n++ {
		if n == len(s) {
			return 0
		}
		if s[n] < 0x80 {
			left--
		}
	}
	return n
}

// LatestFirst iterates over the runs.
func (s Runs) LatestFirst() iter.Seq[Run] {
	return func(yield func(Run) bool) {
		for c := (runsCursor{rest: s}); ; {
			r, ok := c.next()
			if !ok || !yield(r) {
				return
			}
		}
	}
}

// latest returns the last run, and the runs before it.
func (s Runs) latest() (r Run, before Runs, ok bool) {
	c := runsCursor{rest: s}
	if r, ok = c.next(); !ok {
		return r, nil, false
	}
	if second, ok := c.next(); ok {
		before = append(appendRun(nil, second, c.ended), c.rest...)
	}
	return r, before, true
}

// With returns the runs with a later one, but at most as many runs and bytes as
// said. The oldest go first.
func (s Runs) With(r Run, runs, size int) Runs {
	ended := r.Ended.UnixMilli()
	head := appendRun(make(Runs, 0, len(s)+maxRunSize), r, ended)
	if runs < 1 || len(head) > size {
		return nil
	}
	c := runsCursor{rest: s}
	second, ok := c.next()
	if !ok || runs < 2 {
		return head
	}
	one := len(head)
	if head = appendRun(head, second, ended-c.ended); len(head) > size {
		return head[:one]
	}
	kept := 0
	for n := 2; n < runs; n++ {
		next := kept + c.rest[kept:].size()
		if next == kept || len(head)+next > size {
			break
		}
		kept = next
	}
	return append(head, c.rest[:kept]...)
}

// appendRun appends a run. step is the first number of Runs.
func appendRun(b Runs, r Run, step int64) Runs {
	at := len(b)
	b = binary.AppendVarint(append(b, 0), step)
	if r.Failed {
		b[at] |= runFailed
	}
	switch code := r.ExitCode; {
	case code == 0:
		b[at] |= runExited0
	case code == math.Trunc(code) && math.Abs(code) <= maxExitCode:
		b[at] |= runExited
		b = binary.AppendVarint(b, int64(code))
	}
	if ms := math.Round(r.Duration * 1000); ms >= 0 && ms <= maxDuration*1000 {
		b[at] |= runMeasured
		b = binary.AppendUvarint(b, uint64(ms))
	}
	return b
}

// lastRuns returns the last runs of all groups, at most as many as said, oldest
// first. Its cost depends little on how many runs the groups have in all.
func lastRuns(all []Runs, most int) []Run {
	if most == 0 {
		return nil
	}
	var runs []Run
	earliest := int64(math.MinInt64) // of those that can still count
	byEnd := func(a, b Run) int { return a.Ended.Compare(b.Ended) }
	for _, of := range all {
		for r := range of.LatestFirst() {
			if r.Ended.UnixMilli() < earliest {
				break
			}
			runs = append(runs, r)
		}
		if len(runs) > 2*most {
			slices.SortStableFunc(runs, byEnd)
			runs = slices.Delete(runs, 0, len(runs)-most)
			earliest = runs[0].Ended.UnixMilli()
		}
	}
	slices.SortStableFunc(runs, byEnd)
	return runs[max(0, len(runs)-most):]
}
