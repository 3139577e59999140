package browser

import (
	"net/http"
	"testing"
)

func TestDeleteGroup(t *testing.T) {
	s := start(t)
	s.push("job/a", "m 1\n", http.StatusOK)
	s.push("job/b", "m 1\n", http.StatusOK)
	tb := s.open(phone, "?group=job/a")
	tb.press("Delete…")
	tb.reads("dialog", "1 family with 1 series will disappear")
	tb.press("Cancel")
	tb.gone("dialog")
	tb.press("Delete…")
	tb.press("Delete group")
	tb.reads("#told", `Deleted {job="a"}.`)
	tb.until(rows + ` === "b"`)
}

// TestDeleteMatching counts before it deletes.
func TestDeleteMatching(t *testing.T) {
	s := start(t, "--web.enable-admin-api")
	for _, path := range []string{"job/a/instance/1", "job/a/instance/2", "job/b"} {
		s.push(path, "m 1\n", http.StatusOK)
	}
	tb := s.open(desktop, "?q=%7Bjob%3D%22a%22%7D")
	tb.reads(".total", "2 groups")
	tb.press("Clean up…")
	tb.reads("dialog", "2 groups would be deleted:")
	tb.reads(".preview-jobs", "a\t2")
	tb.reads(".preview", `{job="a",instance="2"}`)
	tb.press("Delete 2 groups")
	tb.reads("#told", "Deleted 2 groups.")
	tb.reads(".empty", "No group matches")
	tb.press("Show all groups")
	tb.until(rows + ` === "b"`)
}

func TestWipe(t *testing.T) {
	s := start(t, "--web.enable-admin-api")
	s.push("job/a", "m 1\n", http.StatusOK)
	tb := s.open(desktop, "?view=groups")
	tb.reads(".total", "1 group.")
	tb.press("Clean up…")
	tb.reads("dialog", "Search for groups")
	tb.until(`[...document.querySelectorAll("dialog .danger")].every((b) => b.disabled)`)
	tb.click("#sure")
	tb.keys("wipe")
	tb.press("Wipe everything")
	tb.reads(".empty", "No groups yet")
}

// TestNotAllowed says what the page may not do, and why.
func TestNotAllowed(t *testing.T) {
	s := start(t)
	s.push("job/a", "m 1\n", http.StatusOK)
	tb := s.open(desktop, "?q=a")
	tb.reads(".total", "1 group")
	tb.press("Clean up…")
	tb.reads("dialog .note", "--web.enable-admin-api")
	tb.gone("dialog section")
}
