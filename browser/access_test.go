package browser

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withUsers starts a gateway with users, and stores a group of each.
func withUsers(t *testing.T, anonymous string) *server {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"ci": "ci-secret", "ops": "ops-secret",
		"config.yml": `access:
  anonymous: ` + anonymous + `
  users:
    - {name: ci, password_file: ci, may: [push, delete, query, ui], match: '{job=~"ci_.*"}'}
    - {name: ops, token_file: ops, password_file: ops, may: [push, delete, query, ui, admin]}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, "--web.enable-admin-api", "--config.file="+filepath.Join(dir, "config.yml"))
	for _, job := range []string{"ci_a", "other"} {
		s.push("job/"+job, "m 1\n", http.StatusOK, "Authorization", "Bearer ops-secret")
	}
	return s
}

// as opens addresses with the password of a user from now on.
func (s *server) as(user string) *server {
	c := *s
	c.base = strings.Replace(s.base, "://", "://"+user+":"+user+"-secret@", 1)
	return &c
}

// TestUserMayNot shows a user what they may not do, and why.
func TestUserMayNot(t *testing.T) {
	s := withUsers(t, "[health]")
	tb := s.as("ci").open(desktop, "?group=job/other")
	tb.reads("#user", "ci")
	tb.reads("#why-not", `the user "ci" may not delete the group {job="other"}`)
	tb.until(`document.querySelector(".heading .danger").disabled && document.querySelector(".heading .danger").title.includes("may only delete groups that")`)
	axe, err := os.ReadFile(axeFile)
	if err == nil { // scripts/test-deps fetches it
		tb.accessible(string(axe), "a group that may not be deleted")
	}
	tb.press("← All groups")
	tb.press("Clean up…")
	tb.reads("dialog .note", `the user "ci" may not use the admin API`)
	tb.gone("dialog section")
	tb.click("dialog header button")
	tb.press("Status")
	tb.reads(".card", `{job=~"ci_.*"}`)
	tb.reads(".permissions li", `the user "ci" may not profile the process`)
	if err == nil {
		tb.accessible(string(axe), "the status of a user")
	}
	tb.visit("?group=job/ci_a")
	tb.press("Delete…")
	tb.press("Delete group")
	tb.reads("#told", `Deleted {job="ci_a"}.`)
}

// TestLogIn lets somebody look around without a password, and then log in.
func TestLogIn(t *testing.T) {
	s := withUsers(t, "[health, ui, query]")
	tb := s.open(phone, "?group=job/other")
	tb.reads("#why-not", "nobody is logged in")
	tb.until(`document.querySelector(".heading .danger").disabled`)
	tb.until(`document.querySelector("#user").checkVisibility() && document.querySelector("#user").href.endsWith("/api/v1/login") && document.querySelector("#user").innerText === "Log in"`)
	tb.until(`document.documentElement.scrollWidth <= innerWidth`)
	if axe, err := os.ReadFile(axeFile); err == nil {
		tb.accessible(string(axe), "a group for somebody who is not logged in")
	}
	tb.base = s.as("ops").base
	tb.visit("api/v1/login")
	tb.reads("#user", "ops")
	tb.visit("?group=job/other")
	tb.press("Delete…")
	tb.press("Delete group")
	tb.reads("#told", `Deleted {job="other"}.`)
}
