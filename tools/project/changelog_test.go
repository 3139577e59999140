package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kinds are the kinds of changes that Keep a Changelog has.
var kinds = []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

// TestChangelog looks whether it has the form it says it has.
func TestChangelog(t *testing.T) {
	version := regexp.MustCompile(`^\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}$`)
	var versions []string
	for _, s := range outlineOf(read(t, "CHANGELOG.md")) {
		switch s.level {
		case 2:
			versions = append(versions, s.title)
			if s.title != "[Unreleased]" && !version.MatchString(s.title) {
				t.Errorf("%q is neither [Unreleased] nor like [1.0.0] - 2026-01-31", s.title)
			}
		case 3:
			if !slices.Contains(kinds, s.title) {
				t.Errorf("%q is none of %v", s.title, kinds)
			}
		}
	}
	if len(versions) == 0 || versions[0] != "[Unreleased]" {
		t.Errorf("the changelog begins with %v, not with [Unreleased]", versions)
	}
}

// TestChangelogOfRelease names what is unreleased, and prints it, as a release
// does.
func TestChangelogOfRelease(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	changelog := func(args ...string) (string, error) {
		cmd := exec.Command(root+"scripts/changelog", args...)
		cmd.Env = append(os.Environ(), "ROOT="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	write("cmd/pushgateway/VERSION", "1.1.0\n")
	write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- New.\n\n## [1.0.0] - 2026-01-01\n\n### Added\n\n- Old.\n")
	if out, err := changelog("notes", "1.1.0"); err == nil {
		t.Errorf("a version without a section has notes: %s", out)
	}
	if out, err := changelog("cut", "2026-02-01"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "CHANGELOG.md"))
	if err != nil || !strings.Contains(string(b), "## [Unreleased]\n\n## [1.1.0] - 2026-02-01\n\n### Added\n\n- New.\n\n## [1.0.0]") {
		t.Errorf("%v\n%s", err, b)
	}
	out, err := changelog("notes", "1.1.0")
	if err != nil || !strings.Contains(out, "- New.") || strings.Contains(out, "- Old.") {
		t.Errorf("the notes: %v\n%s", err, out)
	}
	if out, err := changelog("cut"); err == nil {
		t.Errorf("a version was released twice: %s", out)
	}
}
