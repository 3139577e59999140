package boltjournal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

const (
	// pageSize is the same on all machines. So files can move to machines with
	// larger memory pages, and commits stay small there.
	pageSize = 4096
	// mapSize is how much address space is reserved for the file, in bytes. A
	// file that stays below it need not be mapped again.
	mapSize = 1 << 30
	// growth is how many bytes the file grows at a time.
	growth = 256 << 10
	// fileMode keeps other users out: label values may be confidential.
	fileMode = 0o600
)

// bolt is an open bbolt file.
type bolt struct {
	*bbolt.DB
	file *os.File // the file that DB writes to and closes
}

// openBolt opens this file, which was checked before; it does not touch another
// file at the path. If this is nil, it opens any file, and creates one if there
// is none.
func openBolt(path string, this os.FileInfo) (*bolt, error) {
	var opened *os.File
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			opened, err = openThis(name, flag, mode, this)
			return opened, err
		},
		Timeout:         time.Millisecond, // one attempt
		PageSize:        pageSize,
		InitialMmapSize: mapSize,
		NoFreelistSync:  true, // rebuilding it at start is cheap, and writing it each time is not
		FreelistType:    bbolt.FreelistMapType,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	if err := stillAt(path, opened); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.AllocSize = growth
	return &bolt{db, opened}, nil
}

// openThis opens a file if it is this one, or any file if this is nil.
func openThis(name string, flag int, mode os.FileMode, this os.FileInfo) (*os.File, error) {
	if this == nil {
		return os.OpenFile(name, flag, mode)
	}
	f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	if err := isThis(f, this); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// isThis reports whether f is this file. Somebody must hold this file open, or
// the system may have given its inode number to another file.
func isThis(f *os.File, this os.FileInfo) error {
	opened, err := f.Stat()
	if err == nil && !os.SameFile(opened, this) {
		err = errReplaced
	}
	return err
}

// entry is a record ready to be stored.
type entry struct {
	key grouping.Key
	rec []byte
}

// File describes a journal to create. Only Path is required.
//
// A file at Path is replaced, and the new file gets its mode and its owner, as
// far as the process may set them. After a crash, Path holds either the old
// file or the whole new one.
type File struct {
	Path string
	// MustBeNew refuses to replace a file: the error is fs.ErrExist.
	MustBeNew bool
	// Imported is the SHA-256 of the file that the journal is made from, or nil.
	// The journal keeps it.
	Imported []byte
	// OwnedLike names a file whose owner the new file gets if it replaces none.
	// So a journal that an administrator creates for a service does not belong to
	// the administrator.
	OwnedLike string
	// Receipts are the receipts in the journal, oldest first. Nil means none.
	Receipts iter.Seq[gateway.Receipt]
}

// Create writes a new journal with the given groups, which must be sorted by
// key.
func (f File) Create(groups iter.Seq[*gateway.Group]) error {
	s := state{revision: 1, imported: f.Imported}
	return f.create(&s, func(yield func(entry) bool) {
		for g := range groups {
			rec := record.Encode(g)
			record.Seal(rec, g.Key, g.Revision)
			s.revision = max(s.revision, g.Revision)
			if !yield(entry{g.Key, rec}) {
				return
			}
		}
	})
}

// create writes a file beside the path and renames it. It sets the state's
// count and sum to those of the entries.
func (f File) create(s *state, entries iter.Seq[entry]) (err error) {
	dir, err := os.Open(filepath.Dir(f.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := lockDir(dir); err != nil { // another process may be about to do the same
		return fmt.Errorf("locking the directory: %w", err)
	}
	if _, err := os.Lstat(f.Path); f.MustBeNew && err == nil {
		return fmt.Errorf("creating %s: %w", f.Path, fs.ErrExist)
	}
	temp, err := f.temporary()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp) // the next start would remove it
		}
	}()
	if err := write(temp, s, entries, f.Receipts); err != nil {
		return fmt.Errorf("writing %s: %w", temp, err)
	}
	return Replace(temp, f.Path, f.OwnedLike)
}

// temporary creates an empty file to be renamed to the path, under a name that
// only this program uses, and removes such files of interrupted starts. The
// caller holds the lock of the directory.
func (f File) temporary() (string, error) {
	dir, prefix := filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".journal-that-is-being-written-"
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("looking for files of an interrupted start: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.Type().IsRegular() {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return "", fmt.Errorf("removing the file of an interrupted start: %w", err)
			}
		}
	}
	temp, err := os.CreateTemp(dir, prefix)
	if err != nil {
		return "", err
	}
	return temp.Name(), temp.Close()
}

// Replace gives a finished file its name, durably. The file gets the mode and
// owner of the one that it replaces. If it replaces none, it gets the owner of
// another file, unless that is "". If the process must not change the owner,
// only the process itself can use the file.
func Replace(made, path, ownedLike string) error {
	if old, err := os.Stat(path); err == nil {
		handOver(made, old)
	} else if other, err := os.Stat(ownedLike); err == nil {
		_ = chownLike(made, other)
	}
	if err := os.Rename(made, path); err != nil {
		return err
	}
	return syncName(path)
}

// write creates a file of entries and receipts, no larger than necessary, and waits until it
// is on disk.
func write(path string, s *state, entries iter.Seq[entry], receipts iter.Seq[gateway.Receipt]) (err error) {
	db, err := openBolt(path, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(db.DB, s, entries, receipts), db.Close()); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	head := new(scan)
	if err := head.readHead(f); err != nil {
		return err
	}
	if err := f.Truncate(int64(head.meta.pages) * int64(head.meta.pageSize)); err != nil {
		return err
	}
	return f.Sync()
}

// fill puts entries and receipts, which may be nil, into a new file without
// syncing.
func fill(db *bbolt.DB, s *state, entries iter.Seq[entry], receipts iter.Seq[gateway.Receipt]) error {
	db.NoSync = true
	s.groups, s.sum = 0, 0
	const chunk = 10_000 // records of one transaction, which holds them in memory
	next, stop := iter.Pull(entries)
	defer stop()
	for more := true; more; {
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(groupsBucket)
			if err != nil {
				return err
			}
			b.FillPercent = 0.8 // keys are already sorted
			for range chunk {
				var e entry
				if e, more = next(); !more {
					break
				}
				s.groups++
				s.sum += record.Checksum(e.rec)
				if err := b.Put([]byte(e.key), e.rec); err != nil {
					return fmt.Errorf("group %s: %w", e.key.Excerpt(), err)
				}
			}
			return putState(tx, s)
		})
		if err != nil {
			return err
		}
	}
	if receipts != nil {
		if err := s.fillReceipts(db, receipts); err != nil {
			return err
		}
	}
	// Write once more, so that both meta pages lead to all groups: if one is
	// damaged later, nothing is lost.
	return db.Update(func(*bbolt.Tx) error { return nil })
}

func putState(tx *bbolt.Tx, s *state) error {
	s.commit = uint64(tx.ID())
	b, err := tx.CreateBucketIfNotExists(stateBucket)
	if err != nil {
		return err
	}
	return b.Put(stateKey, s.marshal())
}

// syncDir makes the names in a directory durable.
func syncDir(dir *os.File) error {
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("syncing the directory: %w", err)
	}
	return nil
}

// syncName makes the name of a file durable.
func syncName(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return syncDir(dir)
}

// KeepAside gives a file a second name beside it, with the time in it, so that
// it survives being replaced, and returns that name. On failure it leaves
// nothing behind.
func KeepAside(path, why string, now time.Time) (aside string, err error) {
	aside = fmt.Sprintf("%s.%s-%s", path, why, now.UTC().Format("20060102T150405.000Z"))
	if err := os.Link(path, aside); err != nil {
		return aside, copyFile(aside, path) // not every file system has hard links
	}
	if err := syncName(path); err != nil {
		_ = os.Remove(aside) // otherwise each attempt would leave one
		return aside, err
	}
	return aside, nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(to) // an incomplete copy would only fill the disk
		}
	}()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copying %s to %s: %w", from, to, err)
	}
	return errors.Join(out.Sync(), syncName(to))
}
