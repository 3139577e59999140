package natsjournal

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

const (
	// pollEvery is how often the journal looks for messages that the feed has
	// lost.
	pollEvery = 250 * time.Millisecond
	// pageMessages and pageBytes bound what is fetched at once, by default.
	pageMessages = 10_000
	pageBytes    = 8 << 20
	// fetchWithin is how long a page may take.
	fetchWithin = 2 * time.Second
)

// heard handles messages of the feed.
func (j *Journal) heard(all []*nats.Msg) {
	got := make([]message, 0, len(all))
	for _, m := range all {
		one, err := j.names.read(m)
		if err != nil {
			j.config.Logger.Debug("Ignored a message", "subject", m.Subject, "err", err)
			continue
		}
		got = append(got, one)
	}
	if rest := j.skim(got); len(rest) > 0 {
		j.receive(rest, false)
	}
}

// skim deals with messages of the feed that need not be decoded, and returns those from
// the first one on that must be.
func (j *Journal) skim(got []message) (rest []message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, m := range got {
		switch {
		case j.closed || j.foreign.Load() != nil:
			return nil
		case !j.loaded:
			j.early = append(j.early, m)
		case !j.skip(m):
			return got[i:]
		}
	}
	return nil
}

// skip deals with a message of the feed if it need not be decoded, and reports whether
// it has. Most are writes of this member. The caller holds mu.
func (j *Journal) skip(m message) bool {
	switch {
	case m.kind != groups:
		return m.seq <= j.position
	case m.marker:
		return false
	}
	if w := j.writes[m.id]; w != nil {
		if j.breaks.isUnsure() {
			return true // it is fetched, unless its answer comes
		}
		j.succeeded(w, m.seq)
	} else if j.isNews(m) {
		return false
	}
	j.passed(m.seq)
	return true
}

// passed notes that the feed has brought a message that is applied. The caller
// holds mu.
func (j *Journal) passed(seq uint64) {
	if j.advance(seq) {
		j.fetchSoon()
	}
	j.caughtUp()
}

// decoded is a message with what it says.
type decoded struct {
	message
	key     grouping.Key
	group   *gateway.Group
	refusal gateway.Stamp
	known   []gateway.Receipt // of the group
}

// receive applies messages in the order of the stream. fetched means that they
// are all that follows the position, in a prefix of the stream.
func (j *Journal) receive(batch []message, fetched bool) {
	ready := j.decodeNew(batch)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.foreign.Load() != nil || j.breaks.isUnsure() {
		return // what is left out is fetched
	}
	var applied []gateway.Applied
	for _, d := range ready {
		applied = j.take(d, applied)
	}
	if len(applied) > 0 {
		j.apply(applied)
	}
	for _, m := range batch {
		if fetched {
			j.fetchedTo(m.seq)
		} else if j.advance(m.seq) {
			j.fetchSoon()
		}
	}
	j.caughtUp()
}

// decodeNew decodes the messages that are news. Several goroutines share a
// long batch.
func (j *Journal) decodeNew(batch []message) []decoded {
	ready, todo := make([]decoded, len(batch)), make([]int, 0, len(batch))
	j.mu.Lock()
	for i, m := range batch {
		if ready[i].message = m; j.isNews(m) {
			todo = append(todo, i)
		}
	}
	j.mu.Unlock()
	workers := min(runtime.GOMAXPROCS(0), (len(todo)+63)/64)
	if workers <= 1 {
		for _, i := range todo {
			ready[i].decode(j.config.Newest, j.stored)
		}
		return ready
	}
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			for at := n; at < len(todo); at += workers {
				ready[todo[at]].decode(j.config.Newest, j.stored)
			}
		})
	}
	wg.Wait()
	return ready
}

// isNews reports whether a message says something that must be decoded. The
// caller holds mu.
func (j *Journal) isNews(m message) bool {
	if m.marker || j.writes[m.id] != nil {
		return false
	}
	e := j.entries[m.token]
	switch m.kind {
	case groups:
		return e == nil || m.seq > e.seq
	case stamps:
		return e == nil || m.seq > e.stamp.seq
	}
	return false
}

func (d *decoded) decode(newest gateway.Format, stored func(grouping.Key) *gateway.Group) {
	if d.kind == stamps {
		d.refusal, d.err = d.message.decodeStamp()
		d.key = d.refusal.Key
	} else {
		d.key, d.group, d.err = d.message.decode(newest, stored)
	}
	if d.err == nil && d.receipts != "" {
		d.known, d.err = decodeReceipts(d.receipts)
	}
	if d.err == nil && tokenOf(d.key) != d.token {
		d.err = fmt.Errorf("its subject is not that of its key %s", d.key.Excerpt())
	}
}

// take appends what a message changes to applied, unless one before it has shown that
// the stream is another one. The caller holds mu.
func (j *Journal) take(d decoded, applied []gateway.Applied) []gateway.Applied {
	if j.foreign.Load() != nil {
		return applied
	}
	switch d.kind {
	case groups:
		return j.takeGroup(d, applied)
	case stamps:
		return j.takeStamp(d, applied)
	case members:
		if sent := j.peers.heard(d.message); d.token == j.pulses.process && !sent.IsZero() {
			j.spoke(d.at)
			j.measure(sent, d.at)
		}
	}
	return applied
}

func (j *Journal) takeGroup(d decoded, applied []gateway.Applied) []gateway.Applied {
	if w := j.writes[d.id]; w != nil && !d.marker {
		if len(applied) > 0 {
			j.apply(applied) // in order
		}
		j.succeeded(w, d.seq)
		return nil
	}
	e := j.entry(d.token)
	if d.seq <= e.seq {
		return applied
	}
	if d.marker {
		d.key = e.key
	} else if d.err != nil {
		j.unreadable(e, d)
		return applied
	}
	known := e.live || e.stamp.at != 0
	e.key = d.key
	j.saw(d.seq, d.id)
	e.took(d.seq, d.group != nil, len(d.body))
	if w := e.write; w != nil && w.left && d.seq > w.expected {
		j.finish(w, gateway.Failed, errStale) // it cannot happen any more, or this has replaced it
	}
	var fresh []gateway.Receipt
	if !d.marker {
		fresh = e.learn(d.known)
	}
	if d.group == nil {
		j.dropStamp(e)
		if !known && len(fresh) == 0 {
			return applied
		}
	}
	return append(applied, gateway.Applied{Change: gateway.Change{Key: d.key, Group: d.group, Receipts: fresh}, Revision: gateway.Revision(d.seq), Given: true})
}

// unreadable keeps a group as it was, because a member has written something
// that this one cannot read. The caller holds mu.
func (j *Journal) unreadable(e *entry, d decoded) {
	e.took(d.seq, true, len(d.body))
	e.unreadable = d.err
	j.unread++
	j.config.Logger.Error("Another member has stored a group that this version cannot read; it is exposed as it was before, and refuses pushes. Upgrade this member", "sequence", d.seq, "err", d.err)
}

// takeStamp applies a stamp of the stream, unless it is the one that the group
// has, as when this member has made it.
func (j *Journal) takeStamp(d decoded, applied []gateway.Applied) []gateway.Applied {
	delete(j.stamping, d.id)
	e := j.entry(d.token)
	if d.err != nil || d.seq <= e.stamp.seq {
		return applied
	}
	known := e.stamp.at == d.refusal.At.UnixNano()
	if d.key == "" {
		return applied // a marker
	}
	e.key, e.stamp.seq = d.key, d.seq
	if !e.live && d.seq < e.seq || !e.admits(d.refusal) {
		j.dropStamp(e) // the group has ended since
		return applied
	}
	if known {
		return applied
	}
	e.stamp.at = d.refusal.At.UnixNano()
	return append(applied, gateway.Applied{Change: gateway.Change{Key: d.key}, Stamp: &d.refusal})
}

// admits reports whether a stamp is about the group as it is, and not about one
// that has ended.
func (e *entry) admits(s gateway.Stamp) bool { return e.live || s.Against == 0 || s.Over }

// fetchSoon makes the journal look for missing messages. It does not block.
func (j *Journal) fetchSoon() {
	select {
	case j.fetch <- struct{}{}:
	default:
	}
}

// catchUp fetches messages when some are missing, and now and then.
func (j *Journal) catchUp() {
	defer j.running.Done()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-j.fetch:
		case <-j.stop:
			return
		}
		for more := !j.isUnsure(); more; {
			page, left, err := j.page(j.reached() + 1)
			j.reads.note(err, time.Now())
			if len(page) > 0 {
				j.receive(page, true)
			}
			more = err == nil && left > 0 && len(page) > 0 && !j.isUnsure()
		}
	}
}

func (j *Journal) isUnsure() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.breaks.isUnsure()
}

// reached returns the position.
func (j *Journal) reached() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.position
}

// page fetches messages from a sequence on, from any replica. It returns how
// many follow there. A replica may lag behind, so the absence of messages means
// nothing.
func (j *Journal) page(from uint64) (page []message, left uint64, err error) {
	request, err := json.Marshal(map[string]any{"seq": from, "batch": j.config.Page, "max_bytes": pageBytes})
	if err != nil {
		return nil, 0, err
	}
	inbox := j.nats().NewInbox()
	sub, err := j.nats().SubscribeSync(inbox)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := sub.SetPendingLimits(-1, -1); err != nil { // pageBytes bounds them
		return nil, 0, err
	}
	if err := j.nats().PublishRequest(j.api("DIRECT.GET."+j.config.Stream), inbox, request); err != nil {
		return nil, 0, err
	}
	for {
		m, err := sub.NextMsg(fetchWithin)
		if err != nil {
			return page, 0, fmt.Errorf("reading the stream: %w", err)
		}
		switch m.Header.Get(headerStatus) {
		case "404": // there is nothing
			return page, 0, nil
		case "204": // that was all
			left, _ := strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64)
			return page, left, nil
		case "503":
			return page, 0, errNobody
		case "":
		default:
			return page, 0, fmt.Errorf("reading the stream: %s %s", m.Header.Get(headerStatus), m.Header.Get("Description"))
		}
		got, err := j.names.read(m)
		if errors.Is(err, errSubject) {
			continue
		}
		page = append(page, got)
	}
}
