package natsjournal

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// A member knows the groups of the stream from what it was told. Two things can
// make that wrong, and nobody tells it:
//
// The stream forgets after a while that a group has ended. A member that heard
// nothing for so long would keep the group.
//
// A replica may have lost messages without noticing, such as after a flipped bit.
// A member that reads from it lacks groups.
//
// So a member compares now and then what it has with the subjects that the leader
// lists. The leader may be the one that has lost something. So a group ends only if
// no replica has its message.

const (
	// auditEvery is how often a member compares by itself.
	auditEvery = 5 * time.Minute
	// maxAudited bounds how many groups one comparison looks for, one by one.
	maxAudited = 1000
	// settleWithin bounds how long it looks for them at a time. The next one goes on.
	settleWithin = usageEvery
	// doubtFor is how long the leader must lack a group before anybody is told. A
	// replica that lags behind may still have what has just ended.
	doubtFor = time.Second
	// findTries is how often the replicas are asked for a message. Each time, one of
	// them answers.
	findTries = 10
)

// audits is what must be compared. Journal.mu guards it.
type audits struct {
	silent bool              // this member heard nothing for long: groups may have ended
	gone   map[string]bool   // tokens of groups that the leader does not have, as it said
	doubts map[string]doubt  // by token of a group that the leader lacks, and this member keeps
	holes  map[string]uint64 // by token of a group: its latest message that was not received
	spoken time.Time         // when the servers stored this member's last sign of life
	due    time.Time         // of the next comparison
	found  int               // how many groups were lacking somewhere
}

// doubt is that the leader lacks the latest message of a group.
type doubt struct {
	seq   uint64 // of that message
	since time.Time
	told  bool
}

func newAudits() audits {
	return audits{gone: make(map[string]bool), holes: make(map[string]uint64), doubts: make(map[string]doubt)}
}

// lookSoon makes the journal look for what is missing. It does not block.
func (j *Journal) lookSoon() {
	select {
	case j.look <- struct{}{}:
	default:
	}
}

// silentFor notes for how long this member has heard nothing. The caller holds
// mu.
func (j *Journal) silentFor(d time.Duration) {
	if d > j.config.Ends/2 {
		j.audits.silent = true
		j.lookSoon()
	}
}

// spoke notes a sign of life of this member, with the servers' time. That shows a
// silence also if the machine slept, clock and all. The caller holds mu.
func (j *Journal) spoke(at time.Time) {
	if last := j.audits.spoken; !last.IsZero() {
		j.silentFor(at.Sub(last))
	}
	j.audits.spoken = at
}

// isAuditDue reports whether to compare all groups.
func (j *Journal) isAuditDue(now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.audits.silent || now.After(j.audits.due)
}

// audit compares the groups with the subjects of the stream. It never ends groups
// if the stream may be another one.
func (j *Journal) audit(ctx context.Context) {
	if !j.isAuditDue(time.Now()) || j.isUnsure() || j.foreign.Load() != nil || j.acks.age(time.Now()) > pulseEvery+pulseWithin {
		return
	}
	from := j.reached()
	there, first, last, err := j.subjects(ctx)
	if err != nil || first < from || j.reach(ctx, last) != nil || j.foreign.Load() != nil {
		return
	}
	lacking, extra, more := j.compareWith(there, from)
	ctx, end := context.WithTimeout(ctx, settleWithin)
	defer end()
	j.fillAll(ctx, lacking)
	settled := j.settleExtra(ctx, extra, from)
	j.mu.Lock()
	defer j.mu.Unlock()
	wait := j.config.Audit * time.Duration(1+len(there)/100_000) // it costs 10 µs a group
	if untold := j.settleDoubts(); untold || ctx.Err() != nil {
		wait /= 10
	}
	if settled && !more {
		j.audits.silent = false
	}
	j.audits.due = time.Now().Add(wait)
}

// fillAll fetches groups that this member lacks, until ctx ends.
func (j *Journal) fillAll(ctx context.Context, tokens []string) {
	lost := 0
	for _, token := range tokens {
		if ctx.Err() != nil {
			break
		}
		if j.fill(ctx, token) {
			lost++
		}
	}
	if lost > 0 {
		j.config.Logger.Error("Fetched groups that this member lacked: a replica of the stream has lost messages. It may be damaged; see docs/cluster.md", "groups", lost)
	}
}

// compareWith returns the groups that this member lacks, and those that only it
// has. more means that there are more of them.
func (j *Journal) compareWith(there map[string]bool, from uint64) (lacking, extra []string, more bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for token := range there {
		if e := j.entries[token]; len(lacking) < maxAudited && (e == nil || e.seq == 0 && e.write == nil) {
			lacking = append(lacking, token)
		}
	}
	for token, e := range j.entries {
		if !e.live || e.seq > from || there[token] {
			continue
		}
		if len(extra) == maxAudited {
			return lacking, extra, true
		}
		extra = append(extra, token)
	}
	return lacking, extra, false
}

// fill fetches the latest message of a group that was not received, and applies
// it. It reports whether a replica has lost the message: one that lags behind may
// have an older one, and the feed may bring it meanwhile.
func (j *Journal) fill(ctx context.Context, token string) (lost bool) {
	j.mu.Lock()
	missed := j.audits.holes[token]
	j.mu.Unlock()
	m, err := j.find(ctx, token, missed)
	j.mu.Lock()
	e := j.entries[token]
	if err != nil {
		if errors.Is(err, errNotFound) && (e == nil || e.write == nil) {
			delete(j.audits.holes, token) // nobody waits for it any more
		}
		j.mu.Unlock()
		return false
	}
	lacked := m.seq <= j.position && (e == nil || m.seq > e.seq)
	j.mu.Unlock()
	j.receive([]message{m}, false)
	j.mu.Lock()
	defer j.mu.Unlock()
	if e = j.entries[token]; e == nil || e.seq < m.seq {
		return false // it was not applied, such as while the connection is lost: look again
	}
	if e.seq >= j.audits.holes[token] {
		delete(j.audits.holes, token)
	}
	if lacked {
		j.audits.found++
	}
	return lacked
}

// settleWrites looks for what refused writes have shown: messages that were not
// received although the position is behind them, and groups that the leader does
// not have.
func (j *Journal) settleWrites(ctx context.Context) {
	if j.isUnsure() || j.foreign.Load() != nil {
		return
	}
	j.mu.Lock()
	holes, gone, from := slices.Collect(maps.Keys(j.audits.holes)), slices.Collect(maps.Keys(j.audits.gone)), j.position
	j.mu.Unlock()
	ctx, end := context.WithTimeout(ctx, settleWithin)
	defer end()
	j.settleExtra(ctx, gone, from)
	j.fillAll(ctx, holes)
}

// settleExtra decides about groups that the leader does not have. It returns false
// if it could not ask about some. It decides nothing if the stream is not, or may
// not be, the one that was read: such a stream lacks groups that have not ended.
func (j *Journal) settleExtra(ctx context.Context, tokens []string, from uint64) (settled bool) {
	lacking, sure := j.lackedByLeader(ctx, tokens)
	replicas, complete := j.findAll(ctx, lacking)
	if settled = sure && complete; len(replicas) == 0 {
		return settled
	}
	if !j.isSame(ctx) {
		return false
	}
	ended, kept := 0, 0
	var example grouping.Key
	for token, haveIt := range replicas {
		switch key, verdict := j.settleOne(token, from, haveIt); verdict {
		case extraEnded:
			ended++
		case extraDoubted:
			settled = false
		case extraKept:
			kept, example = kept+1, key
		}
	}
	if ended > 0 {
		j.config.Logger.Info("Removed groups that are not in the stream any more", "groups", ended)
	}
	if kept > 0 {
		j.config.Logger.Error("The leader of the stream lacks groups; this member keeps them. A replica may be damaged, or somebody has removed messages; see docs/cluster.md", "groups", kept, "one", example.Excerpt())
	}
	return settled
}

// lackedByLeader returns which of some groups the leader lacks. Its list of groups
// comes in pages, so a change meanwhile may have hidden one; and a leader that has
// just begun may not have had it yet. It leaves out those that it could not ask
// about; then complete is false.
func (j *Journal) lackedByLeader(ctx context.Context, tokens []string) (lacking []string, complete bool) {
	complete = true
	for _, token := range tokens {
		subject := j.names.of(groups, token)
		info, err := j.ask(ctx, "STREAM.INFO.", map[string]any{"subjects_filter": subject})
		switch {
		case ctx.Err() != nil:
			return lacking, false
		case err != nil || info.State.LastSeq < info.before:
			complete = false
		case info.State.Subjects[subject] == 0:
			lacking = append(lacking, token)
		default:
			j.trust(token)
		}
	}
	return lacking, complete
}

// trust notes that the leader has a group.
func (j *Journal) trust(token string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.audits.gone, token)
	delete(j.audits.doubts, token)
}

// findAll looks for the latest messages of groups, until ctx ends. It returns, by
// token, whether a replica has the message. It leaves out those that it could not
// ask about; then complete is false.
func (j *Journal) findAll(ctx context.Context, tokens []string) (found map[string]bool, complete bool) {
	found, complete = make(map[string]bool), true
	for _, token := range tokens {
		_, err := j.find(ctx, token, 0)
		if ctx.Err() != nil {
			return found, false
		}
		if err != nil && !errors.Is(err, errNotFound) {
			complete = false
			continue
		}
		found[token] = err == nil
	}
	return found, complete
}

// What became of a group that the leader does not have.
const (
	extraChanged = iota // it has changed meanwhile, or the stream has
	extraEnded
	extraDoubted // this member keeps it, and will look again
	extraKept
)

// settleOne ends a group if no replica has it, and this member has a reason to
// believe that it has ended.
func (j *Journal) settleOne(token string, from uint64, replicaHasIt bool) (key grouping.Key, verdict int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.foreign.Load() != nil {
		return "", extraChanged
	}
	believed := j.audits.silent || j.audits.gone[token]
	delete(j.audits.gone, token)
	e := j.entries[token]
	switch {
	case e == nil || !e.live || e.seq > from || j.closed:
		return "", extraChanged
	case replicaHasIt || !believed:
		return e.key, j.doubt(token, e)
	}
	delete(j.audits.doubts, token)
	e.took(0, false, 0)
	j.dropStamp(e)
	j.apply([]gateway.Applied{{Change: gateway.Change{Key: e.key}, Revision: gateway.Revision(from)}})
	return e.key, extraEnded
}

// doubt notes that this member keeps a group that the leader lacks. It returns
// extraKept if others should hear of it, which they do once until the next
// comparison. The caller holds mu.
func (j *Journal) doubt(token string, e *entry) (verdict int) {
	d := j.audits.doubts[token]
	if d.seq != e.seq {
		d = doubt{seq: e.seq, since: time.Now()}
	}
	verdict = extraDoubted
	if time.Since(d.since) >= doubtFor && !d.told {
		j.audits.found++
		d.told, verdict = true, extraKept
	}
	j.audits.doubts[token] = d
	return verdict
}

// settleDoubts lets the next comparison tell again of what remains then, and forgets
// groups that have changed. It reports whether there are doubts of which nobody was
// told. The caller holds mu.
func (j *Journal) settleDoubts() (untold bool) {
	for token, d := range j.audits.doubts {
		if e := j.entries[token]; d.told || e == nil || e.seq != d.seq {
			delete(j.audits.doubts, token)
			continue
		}
		untold = true
	}
	return untold
}

var errNotFound = errors.New("no replica has the message")

// find returns the latest message of a group from any replica that has it. It
// ignores messages before the sequence least.
func (j *Journal) find(ctx context.Context, token string, least uint64) (message, error) {
	request, err := json.Marshal(map[string]string{"last_by_subj": j.names.of(groups, token)})
	if err != nil {
		return message{}, err
	}
	for range findTries {
		ctx, end := context.WithTimeout(ctx, fetchWithin)
		m, err := j.nats().RequestWithContext(ctx, j.api("DIRECT.GET."+j.config.Stream), request)
		if end(); err != nil {
			return message{}, err
		}
		if m.Header.Get(headerStatus) != "" {
			continue
		}
		if got, err := j.names.read(m); err != nil || got.seq >= least {
			return got, err
		}
	}
	return message{}, errNotFound
}

// subjects returns the tokens of all groups in the stream, by what its leader
// says, and the last sequences when it was asked first and last.
func (j *Journal) subjects(ctx context.Context) (there map[string]bool, first, last uint64, err error) {
	there = make(map[string]bool)
	prefix := j.names.of(groups, "")
	for offset := 0; ; {
		info, err := j.ask(ctx, "STREAM.INFO.", map[string]any{"subjects_filter": prefix + ">", "offset": offset})
		if err != nil {
			return nil, 0, 0, err
		}
		j.checkIdentity(info)
		if last = info.State.LastSeq; first == 0 {
			first = last
		}
		for subject := range info.State.Subjects {
			there[strings.TrimPrefix(subject, prefix)] = true
		}
		if offset += len(info.State.Subjects); len(info.State.Subjects) == 0 || offset >= info.Total {
			return there, first, last, nil
		}
	}
}
