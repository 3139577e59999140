package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// service is the user that a gateway would run as.
const service = 4711

// wantOwned makes sure who owns a file, and what others may do with it.
func wantOwned(t *testing.T, file string, mode fs.FileMode) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != service || s.Gid != service || info.Mode() != mode {
		t.Errorf("%s belongs to %d:%d with mode %o, want %d with mode %o", filepath.Base(file), s.Uid, s.Gid, info.Mode(), service, mode)
	}
}

// Journals that an administrator makes for a service belong to that: it could
// not start otherwise.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	file := copyRecorded(t, recordedGobs(t)[0])
	give := func(path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chown(path, service, service); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	offline := func(args ...string) {
		t.Helper()
		if code, _, errs := command(t, args...); code != 0 {
			t.Fatal(errs)
		}
	}
	give(file, 0o444)
	offline("import", file)
	wantOwned(t, file+".db", 0o600)

	give(file+".db", 0o640)
	offline("import", "--replace", file)
	wantOwned(t, file+".db", 0o640)

	// Who goes back to 1.11 lets it run as the same user.
	offline("export", "--format=gob", "-o", file, file+".db")
	wantOwned(t, file, 0o444)
	offline("export", "--format=gob", "-o", file+".new", file+".db")
	wantOwned(t, file+".new", 0o600)

	journal := makeJournal(t, 30)
	give(journal, 0o640)
	flipIn(t, journal, "0007")
	s := start(t, "--persistence.file="+journal, "--persistence.salvage")
	s.proc.Stop()
	if !strings.Contains(s.log.String(), "Salvage: continuing") {
		t.Errorf("nothing was salvaged\n%s", s.log)
	}
	wantOwned(t, journal, 0o640)
}
