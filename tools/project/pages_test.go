package project

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are all texts for people, by their path in the repository.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		all = append(all, found...)
	}
	return all
}

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"`)
	elsewhere = regexp.MustCompile(`^[a-z]+:`)
	dropped   = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

// TestLinks looks whether what pages link to is there: files, and headings.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text := readPath(t, page)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := m[1] + m[2]
			if elsewhere.MatchString(to) {
				continue
			}
			file, anchor, _ := strings.Cut(to, "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: %v", page, to, err)
			} else if anchor != "" && !slices.Contains(anchors(readPath(t, target)), anchor) {
				t.Errorf("%s: %s has no heading %q", page, target, anchor)
			}
		}
	}
}

// TestIndex looks whether the index of the documentation has every page.
func TestIndex(t *testing.T) {
	index := read(t, "docs/README.md")
	for _, page := range pages(t) {
		if dir, name := filepath.Split(page); filepath.Base(dir) == "docs" && name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not link to %s", name)
		}
	}
}

// anchors are the names that headings have in links, as GitHub makes them.
func anchors(page string) (all []string) {
	for _, s := range outlineOf(page) {
		all = append(all, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(s.title), ""), " ", "-"))
	}
	return all
}

// TestDiagrams holds the diagram for dark screens to the one for light ones,
// but for its colors.
func TestDiagrams(t *testing.T) {
	color := regexp.MustCompile(`#[0-9a-f]{6}`)
	light, dark := read(t, "docs/images/architecture.svg"), read(t, "docs/images/architecture-dark.svg")
	if color.ReplaceAllString(light, "") != color.ReplaceAllString(dark, "") {
		t.Error("the diagrams differ in more than colors")
	}
	if light == dark {
		t.Error("both diagrams have the same colors")
	}
}

func readPath(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
