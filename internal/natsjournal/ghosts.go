package natsjournal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pushgateway/internal/gateway"
)

// The stream forgets after a while that a group has ended. A member that heard
// nothing for so long would keep the group. So after a long silence it compares
// its groups with the subjects of the stream.

// ghostsAfter is how long a member may hear nothing before it does so.
const ghostsAfter = markerTTL / 2

// wantGhosts asks for a comparison. The caller holds mu.
func (j *Journal) wantGhosts() {
	j.ghosts = true
	select {
	case j.look <- struct{}{}:
	default:
	}
}

// wantsGhosts reports whether to compare.
func (j *Journal) wantsGhosts() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ghosts || j.Lag() > ghostsAfter
}

// removeGhosts ends the groups that the stream does not have any more. It never
// does so if the stream may be another one.
func (j *Journal) removeGhosts(ctx context.Context) {
	if !j.wantsGhosts() || j.foreign.Load() != nil || j.acks.age(time.Now()) > pulseEvery+pulseWithin {
		return
	}
	from := j.reached()
	there, last, err := j.subjects(ctx)
	if err != nil || last < from || j.foreign.Load() != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var applied []gateway.Applied
	for token, e := range j.entries {
		if e.live && e.seq <= from && !there[token] {
			e.took(0, false, 0)
			j.dropStamp(e)
			applied = append(applied, gateway.Applied{Change: gateway.Change{Key: e.key}, Revision: gateway.Revision(from)})
		}
	}
	j.ghosts = false
	if len(applied) > 0 && !j.closed {
		j.config.Logger.Info("Removed groups that ended while this member heard nothing", "groups", len(applied))
		j.apply(applied)
	}
}

// subjects returns the tokens of all groups in the stream, by what its leader
// says, and the last sequence before it was asked.
func (j *Journal) subjects(ctx context.Context) (there map[string]bool, last uint64, err error) {
	there = make(map[string]bool)
	prefix := j.names.of(groups, "")
	for offset := 0; ; {
		info, err := j.ask(ctx, "STREAM.INFO.", map[string]any{"subjects_filter": prefix + ">", "offset": offset})
		if err != nil {
			return nil, 0, err
		}
		j.checkIdentity(info)
		if last == 0 {
			last = info.State.LastSeq
		}
		for subject := range info.State.Subjects {
			there[strings.TrimPrefix(subject, prefix)] = true
		}
		if offset += len(info.State.Subjects); len(info.State.Subjects) == 0 || offset >= info.Total {
			return there, last, nil
		}
	}
}

// checkIdentity finds out whether the stream was made anew or set back. Then
// the memory is all there is, and the journal refuses changes.
func (j *Journal) checkIdentity(info streamInfo) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.created.IsZero() {
		j.created = info.Created
	}
	var err error
	switch {
	case !info.Created.Equal(j.created):
		err = fmt.Errorf("the stream was made anew at %s; %w", info.Created.Format(time.RFC3339), errForeign)
	case info.State.LastSeq < info.before && j.back < staleLeader:
		j.back++
		return
	case info.State.LastSeq < info.before:
		err = fmt.Errorf("the stream ends at %d, and this member has read up to %d; %w", info.State.LastSeq, info.before, errForeign)
	}
	if j.back = 0; err != nil {
		j.disown(err)
	}
}

// staleLeader is how often in a row the leader may say that the stream ends
// early. It may be one that has not noticed that there is another.
const staleLeader = 6

// isBack reports whether a message got a sequence that the stream had passed
// before it was sent. Then it is another stream. The caller holds mu.
func (j *Journal) isBack(seq, before uint64) bool {
	if seq > before {
		return false
	}
	j.disown(fmt.Errorf("the stream is at %d, and this member has read up to %d; %w", seq, before, errForeign))
	return true
}

// disown refuses changes from now on, and ignores the stream.
func (j *Journal) disown(err error) {
	if j.foreign.CompareAndSwap(nil, &err) {
		j.config.Logger.Error("Refusing pushes: the stream is not the one that was read. Scrapes go on from memory", "err", err)
	}
}

var errForeign = errors.New("groups that only this member has would be lost with it. Copy them with `pushgateway backup`, then restart it to take over the stream as it is")
