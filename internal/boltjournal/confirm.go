package boltjournal

import (
	"errors"
	"io"
	"os"
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
// at most a minute after it, before the system has written the older meta page.

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

// isTorn reports whether the last commit of a file is not whole, as a power cut
// leaves it, while the state before is. Content that cannot be read at all is
// damage.
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
	before := &scan{before: true}
	if err := before.run(f, func(stored) {}); err != nil || len(before.faults) > 0 {
		return false
	}
	// An earlier version may have written a whole state without a number since.
	return !whole || before.state.commit != 0 && last.state.revision <= before.state.revision
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
