package boltjournal

import (
	"errors"
	"io"
	"os"

	"pushgateway/internal/grouping"
)

// A commit syncs once. Its pages, and the meta page that leads to them, reach the
// disk in any order. So after a power cut the newer meta page may lead to pages
// that were never written. The older one then leads to the state before that
// commit, which is whole: it was synced, and bbolt uses its pages again only for
// the commit after. A start goes back to it. No answer has told of the torn
// commit, since answers wait for the sync.
//
// The pages of a torn commit may hold a whole tree of an earlier state, from
// which bbolt has freed them. So a state has the number of its commit. After
// opening the file, the first commit syncs its pages before its meta page: a
// process that was killed may have left pages with the same number, and an
// earlier version of this program pages without any.
//
// A state is confirmed once both meta pages lead to it. After its sync, and before
// anybody is told of it, a commit makes the older meta page lead to its state, too.
// That needs no sync of its own: after a kill the system still has it. So what is
// wrong with a confirmed state is damage, and no reason to go back. A state that
// is not confirmed was left by a commit that nobody was told of, or by a power cut
// right after it, before the older meta page was on disk, too. The journal syncs that
// when it is idle, and when it closes.

// confirm makes the meta page before that of a commit lead to the same state.
func (b *bolt) confirm(commit uint64) error {
	return copyMeta(b.file, commit, commit-1, uint32(b.Info().PageSize))
}

// copyMeta makes the meta page of another number lead to the state of this one.
func copyMeta(f *os.File, number, other uint64, pageSize uint32) error {
	b, err := readWholeMeta(f, number%2, pageSize)
	if err != nil {
		return err
	}
	order.PutUint64(b, other%2)
	order.PutUint64(b[pageHeader+metaTxid:], other)
	order.PutUint64(b[pageHeader+metaSum:], checksumMeta(b[pageHeader:]))
	_, err = f.WriteAt(b, int64(other%2)*int64(pageSize))
	return err
}

// isTorn reports whether the last commit of a file is torn: its state is that of an
// earlier commit, or it is not whole while the state before is. Content that cannot
// be read at all is damage.
func isTorn(f io.ReaderAt) bool {
	first, second, err := bothMetas(f)
	if err != nil || first.err != nil || second.err != nil || first.root == second.root {
		return false
	}
	last := new(scan)
	err = last.run(f, func(stored) {})
	whole := err == nil && len(last.faults) == 0
	if whole && last.state.commit != 0 || errors.Is(err, errVersion) || last.unreadable {
		return false
	}
	if err == nil && last.state.commit != 0 && last.state.commit < last.meta.txid {
		return true // also if the state before is damaged: nothing of the torn commit counts
	}
	before := &scan{before: true}
	if err := before.run(f, func(stored) {}); err != nil || len(before.faults) > 0 {
		return false
	}
	return before.mayPrecedeTorn(last, whole)
}

// mayPrecedeTorn reports whether the commit after a whole state may be torn. Earlier
// versions of this program synced their pages before the meta page, and wrote states
// without a number. So what they wrote is damaged if it is not whole, and so is what came after
// that, since the first commit after opening syncs twice. A whole state without a
// number is left over only if it is older.
func (s *scan) mayPrecedeTorn(last *scan, whole bool) bool {
	switch {
	case s.state.commit == 0:
		return false
	case last.hasState && last.state.commit == 0:
		return last.state.revision < s.state.revision
	}
	return !whole
}

// syncConfirmed makes durable that the last commit is confirmed.
func (j *Journal) syncConfirmed() {
	if !j.unsynced {
		return
	}
	if err := j.guard(func() error { return j.db.Sync() }); err != nil {
		j.debt, j.tried = make(map[grouping.Key][]byte), j.state
		_ = j.fail(err)
		return
	}
	j.unsynced = false
}

// rewrite writes those pages of the last state again that the one before did not
// have. If their sync has failed, the system shows them, but considers them
// written. Pages of the state before may be in use for a next commit already;
// then this writes more than necessary.
func (s *scan) rewrite(f *os.File) error {
	before := &scan{before: true}
	_ = before.run(f, func(stored) {}) // finds fewer pages if it fails
	b := make([]byte, s.meta.pageSize)
	for id := range s.seen {
		if before.seen[id] {
			continue
		}
		at := int64(id) * int64(len(b))
		if _, err := f.ReadAt(b, at); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
	}
	return nil
}

// confirm makes both meta pages lead to a state that was rewritten and synced. It reads that
// again before: if rewrite has read pages from the disk that the system had already
// dropped from its memory, they were old.
func (s *scan) confirm(f *os.File) error {
	again := new(scan)
	if err := again.run(f, func(stored) {}); err != nil {
		return err
	}
	if len(again.faults) > 0 || !again.state.holds(&s.state) {
		return errors.New("the last write is not on disk any more after its sync had failed")
	}
	return copyMeta(f, s.meta.txid, s.meta.txid-1, s.meta.pageSize)
}

// goBack makes both meta pages lead to the state before the last commit, if that
// is what was read.
func goBack(f *os.File, s *scan) error {
	if !s.before {
		return nil
	}
	return copyMeta(f, s.meta.txid, s.meta.txid+1, s.meta.pageSize)
}

// readWholeMeta reads what a meta page holds, which is less than a sector.
func readWholeMeta(f *os.File, id uint64, pageSize uint32) ([]byte, error) {
	b := make([]byte, pageHeader+metaSize)
	_, err := f.ReadAt(b, int64(id)*int64(pageSize))
	return b, err
}
