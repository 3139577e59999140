package compression

import (
	"strings"
	"testing"
)

// TestContent asks for content twice in each coding.
func TestContent(t *testing.T) {
	const text = "the same content for all"
	c := NewContent([]byte(text))
	for _, coding := range []string{"", "gzip", "zstd"} {
		got, b := c.For([]string{coding})
		if got != coding {
			t.Errorf("%q: got the coding %q", coding, got)
		}
		if _, again := c.For([]string{strings.ToUpper(coding), "br"}); &again[0] != &b[0] {
			t.Errorf("%q: the second client got other bytes", coding)
		}
		if coding == "" && string(b) != text {
			t.Errorf("got %q", b)
		}
		for _, r := range readers {
			if r.coding != coding {
				continue
			}
			if unpacked, err := r.read(b); err != nil || string(unpacked) != text {
				t.Errorf("%s reads %q, %v", r.name, unpacked, err)
			}
		}
	}
}
