package boltjournal

import (
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"pushgateway/internal/gateway"
)

// TestStateWithoutNumber writes a state as earlier versions did, without the
// number of the commit. It counts if it is newer than the state before, which an
// earlier version has then gone on with. Otherwise it is left over.
func TestStateWithoutNumber(t *testing.T) {
	for _, c := range []struct {
		later gateway.Revision
		torn  bool
	}{{1, false}, {0, true}} {
		path := filepath.Join(t.TempDir(), "journal")
		if err := (File{Path: path}).Create(noGroups); err != nil {
			t.Fatal(err)
		}
		db, err := openBolt(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(stateBucket)
			var s state
			if err := s.unmarshal(b.Get(stateKey)); err != nil {
				return err
			}
			s.commit = 0
			s.revision += c.later
			return b.Put(stateKey, s.marshal())
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := isTorn(db.file); got != c.torn {
			t.Errorf("%d revisions later: torn is %v", c.later, got)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
