package e2e

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFlagsInDocs holds the table of flags to what --help lists.
func TestFlagsInDocs(t *testing.T) {
	help, err := exec.Command(binary, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	page, err := os.ReadFile("../docs/flags.md")
	if err != nil {
		t.Fatal(err)
	}
	flags, _, _ := strings.Cut(string(help), "\nCommands:")
	want := namesIn(flags, `(?m)^ {2,6}(?:-\w, )?--(?:\[no-\])?([a-z0-9.-]+)`)
	got := namesIn(string(page), "(?m)^\\| `--([a-z0-9.-]+)`")
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("docs/flags.md lists\n%v\n--help lists\n%v", got, want)
	}
}

// namesIn gives the names that an expression finds, in order and each once.
func namesIn(text, expression string) []string {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}
