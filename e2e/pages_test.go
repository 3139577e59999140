package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var updatePages = flag.Bool("pages.update", false, "write into README and docs what their commands print")

// TestPages runs the shell commands of README and of the pages in docs that say
// they are tested, and compares what they print with the block "output" behind
// them. CONTRIBUTING.md has the marks.
func TestPages(t *testing.T) {
	t.Parallel()
	if err := exec.Command("unshare", append(alone, "ip", "link")...).Run(); err != nil {
		t.Skipf("this machine allows no namespaces, in which the commands of pages run: %v", err)
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range append(pages, "../README.md") {
		if strings.HasSuffix(page, "_ZH.md") {
			continue // the commands of the English page: tools/project compares them
		}
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		steps, problems := stepsOf(string(b))
		for _, p := range problems {
			t.Errorf("%s:%s", page, p)
		}
		if !runnable(steps) {
			continue
		}
		ran++
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			printed := runSteps(t, page, steps)
			if *updatePages && len(printed) > 0 {
				if err := os.WriteFile(page, []byte(shows(string(b), steps, printed)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if ran == 0 {
		t.Error("no page has commands that can be run")
	}
}

// TestFeatures looks whether each feature in README has its command.
func TestFeatures(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, features, _ := strings.Cut(string(page), "\n## Features\n")
	features, _, _ = strings.Cut(features, "\n## ")
	numbered := regexp.MustCompile(`(?m)^\d+\. `).Split(features, -1)[1:]
	if len(numbered) < 8 {
		t.Errorf("README has %d features", len(numbered))
	}
	for i, f := range numbered {
		if !strings.Contains(f, "```sh\n") {
			t.Errorf("feature %d has no command: %s", i+1, f)
		}
	}
}

// TestStepsOfPages makes sure that pages are read as CONTRIBUTING.md says.
func TestStepsOfPages(t *testing.T) {
	page := []string{
		"```sh", "echo of no page", "```", // 1
		"<!-- not tested: it is slow -->", "```sh", "sleep 9", "```", // 4
		"<!-- tested -->", "<!-- gateway: --push.ttl=1h -->", // 8
		"```sh", "echo 1", "```", "", "```output", "1", "```", // 10
		"   <!-- exit 3 -->", "   ```sh", "   exit 3", "   ```", // 17
		"text", "```output", "of nothing", "```", // 21
		"<!-- not run: it harms -->", "```sh", "reboot", "```", // 25
		"<!-- offline -->", "```sh", "true", "```", // 29
		"", "    indented", // 33
	}
	steps, problems := stepsOf(strings.Join(page, "\n"))
	want := []step{
		{line: 1, shell: "echo of no page\n"},
		{line: 5, mark: "not run", value: "it is slow", shell: "sleep 9\n"},
		{line: 9, mark: "gateway", value: "--push.ttl=1h"},
		{line: 10, shell: "echo 1\n", compared: true, output: "1\n", outputLine: 15},
		{line: 18, mark: "exit", value: "3", shell: "exit 3\n"},
		{line: 26, mark: "not run", value: "it harms", shell: "reboot\n"},
		{line: 30, mark: "offline", shell: "true\n"},
	}
	if len(steps) != len(want) {
		t.Fatalf("%+v", steps)
	}
	for i := range want {
		if steps[i] != want[i] {
			t.Errorf("%+v, want %+v", steps[i], want[i])
		}
	}
	var lines []string
	for _, p := range problems {
		line, _, _ := strings.Cut(p, ":")
		lines = append(lines, line)
	}
	if !slices.Equal(lines, []string{"3", "24", "29", "34"}) {
		t.Errorf("problems: %s", strings.Join(problems, "\n"))
	}
}

// TestOutputOfPages makes sure that a page which shows something else fails.
func TestOutputOfPages(t *testing.T) {
	for _, c := range []struct {
		want, got string
		same      bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\nb\n", "a\nb", true},
		{"a\n", "a\nb\n", false},
		{"a ... c\n", "a b c\n", true},
		{"a ... c\n", "a b\n c\n", false},
		{"a\n...\nd\n", "a\nb\nc\nd\n", true},
		{"a\n...\nd\n", "a\nd\n", true},
		{"a\n...\n", "b\n", false},
		{"a.b\n", "axb\n", false},
	} {
		if got := prints(c.got, c.want); got != c.same {
			t.Errorf("%q for %q: %v", c.got, c.want, got)
		}
	}
}

// TestPagesAreUpdated makes sure that what varies stays as it is.
func TestPagesAreUpdated(t *testing.T) {
	page := "<!-- tested -->\n```sh\nls\n```\n```output\na ... ago\nb\n```\n  ```sh\n  pwd\n  ```\n  ```output\n  ```\nend"
	steps, _ := stepsOf(page)
	got := shows(page, steps, map[int]string{6: "a 1s ago\nc\n", 13: "/x\n"})
	want := "<!-- tested -->\n```sh\nls\n```\n```output\na ... ago\nc\n```\n  ```sh\n  pwd\n  ```\n  ```output\n  /x\n  ```\nend"
	if got != want {
		t.Error(got)
	}
}
