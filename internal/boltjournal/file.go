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
	// pageSize is the same on all machines, so that files can be moved to
	// those with larger pages of memory, and commits stay small there.
	pageSize = 4096
	// mapSize is how much of the address space is set aside for the file, in
	// bytes. While it does not grow beyond, it need not be mapped anew.
	mapSize = 1 << 30
	// growth is by how much the file grows when it has to, in bytes.
	growth = 256 << 10
	// fileMode keeps others out: label values may be nobody else's business.
	fileMode = 0o600
)

// bolt is an open file of bbolt.
type bolt struct {
	*bbolt.DB
	file *os.File // the one that DB writes to, and closes
}

// openBolt opens this file, which has been looked through: another one at the
// path is not touched. If this is nil it opens any, and makes one if there is
// none.
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
		NoFreelistSync:  true, // it is small work to find at start, and much to write each time
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

// openThis opens a file, and no other one; any if this is nil.
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

// isThis tells a file from others. Somebody must have this one open, or its
// number may have been given to another.
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

// File says which journal is made, and how. Only Path is needed.
//
// If there is a file at Path it is replaced, and the new one has its mode and
// its owner, as far as the process may give them to it. After a crash either
// that file is there or the whole new one.
type File struct {
	Path string
	// MustBeNew refuses to replace a file: the error is fs.ErrExist.
	MustBeNew bool
	// Imported is kept in the journal: the SHA-256 of what it is made of, or
	// nil.
	Imported []byte
	// OwnedLike is a file of which the owner gets the new one if it replaces
	// none, so that it does not belong to an administrator who makes it for a
	// service.
	OwnedLike string
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

// create writes a file beside the path and renames it. The state's count and
// sum become those of the entries.
func (f File) create(s *state, entries iter.Seq[entry]) (err error) {
	dir, err := os.Open(filepath.Dir(f.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := lockDir(dir); err != nil { // somebody else may be about to do the same
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
			_ = os.Remove(temp) // the next start would do it
		}
	}()
	if err := write(temp, s, entries); err != nil {
		return fmt.Errorf("writing %s: %w", temp, err)
	}
	return Replace(temp, f.Path, f.OwnedLike)
}

// temporary makes an empty file to be renamed to the path, with a name that
// nobody else gives to files, and removes those that interrupted starts have
// left. The caller holds the lock of the directory.
func (f File) temporary() (string, error) {
	dir, prefix := filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".journal-that-is-being-written-"
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("looking for what an interrupted start has left: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.Type().IsRegular() {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return "", fmt.Errorf("removing what an interrupted start has left: %w", err)
			}
		}
	}
	temp, err := os.CreateTemp(dir, prefix)
	if err != nil {
		return "", err
	}
	return temp.Name(), temp.Close()
}

// Replace gives a finished file its name, durably. It gets the mode and the owner
// of the file that it replaces, or, if there is none, the owner of another one,
// unless that is "". If the process must not do that the file stays with the
// process alone, which can go on with it.
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

// write makes a file of entries, no larger than they need, and waits until it
// is on disk.
func write(path string, s *state, entries iter.Seq[entry]) (err error) {
	db, err := openBolt(path, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(db.DB, s, entries), db.Close()); err != nil {
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

// fill puts entries into a new file without waiting for the disk.
func fill(db *bbolt.DB, s *state, entries iter.Seq[entry]) error {
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
			b.FillPercent = 0.8 // keys come in their order
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
	// Once more, so that both meta pages lead to all groups: if one is damaged
	// later, nothing is lost with it.
	return db.Update(func(tx *bbolt.Tx) error { return putState(tx, s) })
}

func putState(tx *bbolt.Tx, s *state) error {
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
// it survives being replaced, and returns that name. If it cannot it leaves
// nothing.
func KeepAside(path, why string, now time.Time) (aside string, err error) {
	aside = fmt.Sprintf("%s.%s-%s", path, why, now.UTC().Format("20060102T150405.000Z"))
	if err := os.Link(path, aside); err != nil {
		return aside, copyFile(aside, path) // not every file system has second names
	}
	if err := syncName(path); err != nil {
		_ = os.Remove(aside) // each attempt would leave one
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
			_ = os.Remove(to) // a part of it would only fill the disk
		}
	}()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copying %s to %s: %w", from, to, err)
	}
	return errors.Join(out.Sync(), syncName(to))
}
