package e2e

import (
	"os"
	"testing"
)

// TestManPage holds the manual page to what the program says of itself.
func TestManPage(t *testing.T) {
	code, out, errs := command(t, "man")
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d, %q", code, errs)
	}
	b, err := os.ReadFile("../docs/man/pushgateway.1")
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != out {
		t.Errorf("docs/man/pushgateway.1 is not up to date: run make man. %s", firstDifference(string(b), out))
	}
}
