package boltjournal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

const (
	// retryEvery is how long a journal waits before it retries a failed write. It
	// refuses pushes meanwhile.
	retryEvery = time.Second
	// maxBatch is how many changes are committed together. One call may exceed
	// it.
	maxBatch = 10_000
)

// put is what to write about a group.
type put struct {
	key   grouping.Key
	rec   []byte         // nil to remove the record
	keeps bool           // keep the record in the file, instead of rec
	stamp *gateway.Stamp // a stamp to add to the record, or nil
}

// record returns the record to write, or nil for none. old is the record in the
// file, or nil.
func (p put) record(old []byte) ([]byte, error) {
	rec := p.rec
	if p.keeps {
		rec = old
	}
	s := p.stamp
	switch {
	case s == nil:
		return rec, nil
	case rec == nil && s.Against != 0 && !s.Over:
		return nil, nil // the group has ended since the stamp
	case rec == nil:
		return record.OfStamp(*s, 0), nil
	}
	if r, err := record.Check(rec, p.key); err != nil || s.Over && r == s.Against {
		return record.OfStamp(*s, r), err
	}
	return record.Stamped(rec, *s)
}

// write is the goroutine that does all writing.
func (j *Journal) write() {
	defer close(j.done)
	every := j.config.Interval
	if every == 0 {
		every = retryEvery
	}
	ticker, look := time.NewTicker(every), time.NewTicker(lookEvery)
	defer ticker.Stop()
	defer look.Stop()
	for {
		select {
		case r := <-j.queue:
			j.commit(j.gather(r))
		case <-ticker.C:
			if j.config.Interval > 0 || j.debt != nil {
				j.retry = time.Time{}
				j.commit(nil)
			}
		case <-look.C:
			j.watch()
		case <-j.stop:
			j.finish()
			return
		}
	}
}

// gather takes all waiting requests.
func (j *Journal) gather(first *request) []*request {
	// Clients that are being served are about to commit: let them join. If there
	// are none, this takes no time.
	runtime.Gosched()
	batch, n := []*request{first}, len(first.changes)
	for n < maxBatch {
		select {
		case r := <-j.queue:
			batch = append(batch, r)
			n += len(r.changes)
		default:
			return batch
		}
	}
	return batch
}

// finish commits what waits and closes the file.
func (j *Journal) finish() {
	for len(j.queue) > 0 {
		j.commit(j.gather(<-j.queue))
	}
	j.retry = time.Time{}
	if j.commit(nil); j.Trouble() == nil && j.debt == nil {
		j.syncConfirmed()
	}
	j.closeErr = errors.Join(j.lost(), j.shut())
}

// lost returns an error that says what is not on disk, or nil if everything is.
func (j *Journal) lost() error {
	err := j.Trouble()
	switch {
	case err == nil || errors.Is(err, ErrTaken):
		return err
	case j.config.Interval == 0:
		return fmt.Errorf("the last failure times are not on disk; pushes answered with an error may be: %w", err)
	}
	return fmt.Errorf("the last changes are not on disk: %w", err)
}

// commit writes a batch together with what waits for the next one, then applies
// it and answers.
func (j *Journal) commit(batch []*request) {
	err := j.look()
	if err == nil {
		err = j.settle()
	}
	if err == nil {
		err = j.commitBatch(batch)
	}
	for _, r := range batch {
		j.answer(r, err)
	}
}

func (j *Journal) commitBatch(batch []*request) error {
	puts, changes := j.number(batch)
	waits, receipts, revision := j.late()
	for i, c := range changes {
		puts[i].stamp = waits[c.Key].beside(c)
	}
	puts = appendLate(puts, waits, changes)
	if len(puts) == 0 {
		return nil
	}
	slips := slipsOf(receipts)
	for _, c := range changes {
		slips = append(slips, slipsOf(c.Receipts)...)
	}
	next := j.state
	next.revision = revision + gateway.Revision(len(changes))
	if err := j.update(writes{puts, slips, time.Now()}, &next); err != nil {
		j.tried = next
		return j.fail(err)
	}
	j.state = next

	j.mu.Lock()
	defer j.mu.Unlock()
	for key, l := range waits {
		if j.waiting[key] == l {
			delete(j.waiting, key)
		}
	}
	j.receipts = slices.Clone(j.receipts[len(receipts):])
	for _, c := range changes {
		if c.Group == nil {
			delete(j.waiting, c.Key) // including stamps made meanwhile
		}
	}
	if len(changes) > 0 {
		j.applyLocked(changes)
	}
	return nil
}

// appendLate appends the waiting groups that the changes do not include.
func appendLate(puts []put, waits map[grouping.Key]*late, changes []gateway.Change) []put {
	if len(waits) == 0 {
		return puts
	}
	about := make(map[grouping.Key]bool, len(changes))
	for _, c := range changes {
		about[c.Key] = true
	}
	for key, l := range waits {
		if !about[key] {
			puts = append(puts, l.put(key))
		}
	}
	return puts
}

// number assigns revisions to the changes of a batch.
func (j *Journal) number(batch []*request) (puts []put, changes []gateway.Change) {
	r := j.state.revision
	for _, req := range batch {
		for i, c := range req.changes {
			r++
			if req.records[i] != nil {
				record.Seal(req.records[i], c.Key, r)
			}
			puts = append(puts, put{key: c.Key, rec: req.records[i]})
			changes = append(changes, c)
		}
	}
	return puts, changes
}

// late returns the groups and the receipts that wait to be written, and the last
// revision applied.
func (j *Journal) late() (map[grouping.Key]*late, []gateway.Receipt, gateway.Revision) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 {
		return nil, nil, j.revision
	}
	return maps.Clone(j.waiting), j.receipts, j.revision
}

func (l *late) put(key grouping.Key) put {
	switch {
	case !l.changed:
		return put{key: key, keeps: true, stamp: l.stamp}
	case l.group == nil:
		return put{key: key, stamp: l.stamp}
	}
	rec := record.Encode(l.group)
	record.Seal(rec, key, l.revision)
	return put{key: key, rec: rec, stamp: l.stamp}
}

// writes are what one transaction writes.
type writes struct {
	puts  []put
	slips []slip
	// now is when receipts must not be over to stay. If it is zero, all stay.
	now time.Time
}

// update writes to the file in one transaction. next becomes the state in the
// file. If the transaction fails, debt holds what the groups had before, and owed
// what undoes the change of receipts.
func (j *Journal) update(all writes, next *state) error {
	puts, undo := all.puts, []slip(nil)
	slices.SortFunc(puts, func(a, b put) int { return strings.Compare(string(a.key), string(b.key)) })
	j.old = j.old[:0]
	ends := make([]int, 0, len(puts)) // of the old records; -1 if there was none
	w := Written{Changes: len(puts)}
	start := time.Now()
	w.Err = j.transact(func(tx *bbolt.Tx) error {
		b := tx.Bucket(groupsBucket)
		for _, p := range puts {
			old := b.Get([]byte(p.key))
			j.old = append(j.old, old...)
			if ends = append(ends, len(j.old)); old == nil {
				ends[len(ends)-1] = -1
			}
			rec, err := p.record(old)
			if err == nil {
				err = next.exchange(b, p.key, rec, old)
			}
			if err != nil {
				return fmt.Errorf("group %s: %w", p.key.Excerpt(), err)
			}
			w.Bytes += len(p.key) + len(rec)
		}
		w.Bytes += len(all.slips) * (receiptKey + receiptValue)
		var err error
		if undo, err = next.writeReceipts(tx, all.slips, all.now); err != nil {
			return err
		}
		return putState(tx, next)
	})
	if w.Err == nil {
		w.Err = j.leave()
	} else if _, err := j.whole(); err != nil {
		w.Err = err // says why, where bbolt only met the end of the file
	}
	w.Took = time.Since(start)
	j.config.Observe(w)
	if w.Err == nil {
		j.db.NoSync = true // after the first commit, see confirm.go
		j.unsynced, j.written = true, time.Now()
	} else {
		j.debt, j.owed = debt(puts[:len(ends)], ends, bytes.Clone(j.old)), undo
	}
	if cap(j.old) > maxOld {
		j.old = nil
	}
	return w.Err
}

// maxOld is how much room for old records is kept for the next commit, in
// bytes.
const maxOld = 4 << 20

// debt returns what the groups of a failed commit had before. old holds their
// records, and ends where each one ends.
func debt(puts []put, ends []int, old []byte) map[grouping.Key][]byte {
	before, from := make(map[grouping.Key][]byte, len(puts)), 0
	for i, p := range puts {
		if before[p.key] = nil; ends[i] > from {
			before[p.key] = old[from:ends[i]]
			from = ends[i]
		}
	}
	return before
}

// exchange replaces an old record and updates the numbers of the state.
func (s *state) exchange(b *bbolt.Bucket, key grouping.Key, rec, old []byte) error {
	if old != nil {
		s.groups--
		s.sum -= record.Checksum(old)
	}
	if rec == nil {
		return b.Delete([]byte(key))
	}
	s.groups++
	s.sum += record.Checksum(rec)
	return b.Put([]byte(key), rec)
}

// fail records that the file could not be written.
func (j *Journal) fail(err error) error {
	err = j.explain(err)
	j.retry = time.Now().Add(retryEvery)
	before := j.trouble.Swap(&err)
	switch {
	case !errors.Is(err, ErrTaken) && before == nil:
		j.config.Logger.Error("Cannot write the journal; retrying every "+retryEvery.String()+" or at the next interval", "err", err)
	case errors.Is(err, ErrTaken) && (before == nil || (*before).Error() != err.Error()):
		j.config.Logger.Error("Refusing pushes: the next start would not find what is stored. Scrapes go on from memory", "err", err)
	}
	return err
}

// works records that the file can be written.
func (j *Journal) works() {
	if j.trouble.Swap(nil) != nil {
		j.config.Logger.Info("The journal can be written again")
	}
}

// settle brings the file back to its last known state after a failed commit.
// bbolt's idea of the file may differ from the file, and the system may have
// given up on pages that it could not write, though it still shows them. So
// settle checks and reopens the file, and writes every group of that commit
// again: then all pages that matter come from successful writes. It leaves a
// file alone that holds neither the state before that commit nor the one after
// it.
func (j *Journal) settle() error {
	if j.debt == nil {
		return nil
	}
	if time.Now().Before(j.retry) {
		return *j.trouble.Load()
	}
	now, err := j.reopen()
	if err == nil {
		err = j.pay(&now)
	}
	if err == nil && !now.holds(&j.state) {
		err = errInDoubt
	}
	if err != nil {
		return j.fail(err)
	}
	j.debt, j.owed = nil, nil
	j.works()
	return nil
}

// pay writes the debt into a file that has this state. The debt stays.
func (j *Journal) pay(now *state) error {
	debt, owed, puts := j.debt, j.owed, make([]put, 0, len(j.debt))
	for key, rec := range debt {
		puts = append(puts, put{key: key, rec: rec})
	}
	now.revision = j.state.revision
	err := j.update(writes{puts: puts, slips: owed}, now)
	j.debt, j.owed = debt, owed
	return err
}

// reopen checks the file at its present place, opens it again, and returns its
// state, which must be that before the commit that failed or that after it.
func (j *Journal) reopen() (state, error) {
	if j.db != nil {
		_ = j.db.Close() // its outcome is already known
		j.db = nil
	}
	path, err := filepath.EvalSymlinks(j.config.Name)
	if err != nil {
		return state{}, err
	}
	if j.db, err = openWhole(path, j.left, &j.state, &j.tried); err != nil {
		return state{}, err
	}
	if j.left, err = j.pin.Stat(); err != nil {
		return state{}, err
	}
	return j.stored()
}
