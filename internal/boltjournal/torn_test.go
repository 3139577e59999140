package boltjournal

import (
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"pushgateway/internal/gateway"
)

// TestStateWithoutNumber writes a state as earlier versions did, without the
// number of the commit. It counts unless it is older than the state before: then it
// is left over. If it is not whole, or what came before has no number, that is
// damage.
func TestStateWithoutNumber(t *testing.T) {
	for _, c := range []struct {
		before, revision gateway.Revision
		numbered, broken bool
		torn             bool
	}{
		{before: 7, revision: 8, numbered: true},
		{before: 7, revision: 7, numbered: true},
		{before: 7, revision: 6, numbered: true, torn: true},
		{before: 7, revision: 8, numbered: true, broken: true},
		{before: 7, revision: 8, broken: true},
		{before: 7, revision: 8},
	} {
		path := filepath.Join(t.TempDir(), "journal")
		if err := (File{Path: path}).Create(noGroups); err != nil {
			t.Fatal(err)
		}
		db, err := openBolt(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		write := func(revision gateway.Revision, groups uint64, numbered bool) {
			t.Helper()
			err := db.Update(func(tx *bbolt.Tx) error {
				s := state{revision: revision, groups: groups}
				if numbered {
					return putState(tx, &s)
				}
				return tx.Bucket(stateBucket).Put(stateKey, s.marshal())
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		write(c.before, 0, c.numbered)
		missing := uint64(0)
		if c.broken {
			missing = 1
		}
		write(c.revision, missing, false)
		if got := isTorn(db.file); got != c.torn {
			t.Errorf("%+v: torn is %v", c, got)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
