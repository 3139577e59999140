package project

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// translated are the pages that there are in Chinese, too.
var translated = map[string]string{
	"README.md":            "README_ZH.md",
	"docs/huawei-cloud.md": "docs/huawei-cloud_ZH.md",
}

// TestLanguages holds both pages to the same headings, by number and level,
// and to the same commands.
func TestLanguages(t *testing.T) {
	for english, chinese := range translated {
		a, b := outlineOf(read(t, english)), outlineOf(read(t, chinese))
		if len(a) == 0 {
			t.Errorf("%s has no headings", english)
		}
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) {
				t.Errorf("%s has %d headings, %s has %d", english, len(a), chinese, len(b))
				break
			}
			if a[i].level != b[i].level {
				t.Errorf("%q in %s and %q in %s are on different levels", a[i].title, english, b[i].title, chinese)
			}
			if !slices.Equal(a[i].commands, b[i].commands) {
				t.Errorf("under %q in %s and %q in %s:\n%s\n\n%s", a[i].title, english, b[i].title, chinese,
					strings.Join(a[i].commands, "\n"), strings.Join(b[i].commands, "\n"))
			}
		}
		if n := len(han.FindAllString(read(t, chinese), -1)); n < 1000 {
			t.Errorf("%s has only %d Chinese characters", chinese, n)
		}
		if !strings.Contains(read(t, english), "("+chinese[strings.LastIndex(chinese, "/")+1:]+")") {
			t.Errorf("%s does not link to %s", english, chinese)
		}
	}
}

// section is a heading and what comes before the next one.
type section struct {
	level    int
	title    string
	commands []string // lines of code, without comments
}

var (
	heading = regexp.MustCompile(`^(#+) (.+)$`)
	fence   = regexp.MustCompile("^ *```")
	han     = regexp.MustCompile(`\p{Han}`)
	comment = regexp.MustCompile(`\s+#\s.*$`)
)

func outlineOf(page string) []section {
	var all []section
	fenced := false
	for line := range strings.SplitSeq(page, "\n") {
		if fence.MatchString(line) {
			fenced = !fenced
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil && !fenced {
			all = append(all, section{level: len(m[1]), title: m[2]})
			continue
		}
		if len(all) == 0 {
			continue
		}
		last := &all[len(all)-1]
		if command := comment.ReplaceAllString(line, ""); strings.TrimSpace(command) != "" && (fenced || strings.HasPrefix(line, "    ") && !strings.Contains(line, "<!--")) {
			last.commands = append(last.commands, strings.TrimSpace(command))
		}
	}
	return all
}

// TestLanguagesAreCompared makes sure that the comparison sees what it is for.
func TestLanguagesAreCompared(t *testing.T) {
	got := outlineOf("# A\n\n    make run   # builds\n\n## B\n```sh\n# C\nls -l\n```\n")
	if len(got) != 2 || got[1].level != 2 || !slices.Equal(got[0].commands, []string{"make run"}) || !slices.Equal(got[1].commands, []string{"# C", "ls -l"}) {
		t.Errorf("%+v", got)
	}
}
