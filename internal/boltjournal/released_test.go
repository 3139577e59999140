package boltjournal_test

import (
	"os"
	"strings"
	"testing"
)

// TestFileOfEarlierVersion reads a journal from before records had the version
// of the renderer. The journal has every kind of family, and groups that have
// failed or will expire.
func TestFileOfEarlierVersion(t *testing.T) {
	want, err := os.ReadFile("testdata/format-1.txt")
	if err != nil {
		t.Fatal(err)
	}
	groups, s, err := readAll("testdata/format-1.db")
	if err != nil || len(s.Faults) > 0 {
		t.Fatalf("%v, %v", s.Faults, err)
	}
	if got := strings.Join(groups, "\n"); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
