package project

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDifferencesAreCounted holds the number that README and its translation
// give to the rows of docs/differences.md.
func TestDifferencesAreCounted(t *testing.T) {
	rows := 0
	for line := range strings.Lines(read(t, "docs/differences.md")) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| what |") {
			rows++
		}
	}
	count := regexp.MustCompile(`\[[^\]\d]*(?:1\.11 [^\]\d]*)?(\d+) [^\]]*\]\(docs/differences\.md\)`)
	for _, page := range []string{"README.md", "README_ZH.md"} {
		m := count.FindStringSubmatch(read(t, page))
		if m == nil {
			t.Errorf("%s does not say how many differences docs/differences.md lists", page)
			continue
		}
		if m[1] != strconv.Itoa(rows) {
			t.Errorf("%s says there are %s differences, docs/differences.md has %d", page, m[1], rows)
		}
	}
}
