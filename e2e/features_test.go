package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?s) +```sh\n(.*?)```")

// TestFeatures runs the commands that README gives for each feature, against a
// gateway that is started as it says.
func TestFeatures(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, features, found := strings.Cut(string(page), "\n## Features\n")
	features, _, _ = strings.Cut(features, "\n## ")
	blocks := shellBlock.FindAllStringSubmatch(features, -1)
	if !found || len(blocks) < 8 {
		t.Fatalf("README has commands for %d features", len(blocks))
	}
	if numbered := len(regexp.MustCompile(`(?m)^\d+\. `).FindAllString(features, -1)); numbered != len(blocks) {
		t.Errorf("%d of %d features have commands", len(blocks), numbered)
	}
	s := start(t, "--persistence.file="+filepath.Join(t.TempDir(), "groups.db"), "--web.enable-admin-api")
	dir := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(dir, "pushgateway")); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		for command := range strings.Lines(b[1]) {
			if command = strings.TrimSpace(command); strings.HasPrefix(command, "make ") {
				continue // minutes
			}
			cmd := exec.Command("sh", "-ec", strings.ReplaceAll(command, "http://localhost:9091", s.base))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "PUSHGATEWAY_URL="+s.base)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			}
			if strings.Contains(command, "job/wrong") && !strings.Contains(string(out), "go_goroutines") {
				t.Errorf("%s does not say what is wrong: %s", command, out)
			}
		}
	}
	if got := s.scrape().body; !strings.Contains(got, `size_bytes{instance="",job="backup"} 1e+09`) {
		t.Errorf("the first push is not there:\n%s", got)
	}
}
