package attack

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPagesInBrowsers has somebody's page use the browser of a person who can
// reach the gateway: it may change nothing, and read only what 1.11 gives it.
func TestPagesInBrowsers(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api", "--web.enable-lifecycle")
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/victim", "m 1\n")
	for _, from := range [][]string{{"Origin", "https://evil.example.org"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}} {
		header := append([]string{"Content-Type", "text/plain"}, from...) // which browsers send without asking first
		g.want(http.StatusForbidden, http.MethodPost, "/metrics/job/victim", "m 2\n", header...)
		g.want(http.StatusForbidden, http.MethodPost, "/api/v1/push?group_by=job", "m{job=\"victim\"} 2\n", header...)
		g.want(http.StatusForbidden, http.MethodPost, "/api/v1/admin/delete_groups?match[]=%7Bjob=%22victim%22%7D", "", header...)
		g.want(http.StatusForbidden, http.MethodPost, "/-/quit", "", header...)
	}
	if text := g.want(http.StatusOK, http.MethodGet, "/metrics", ""); !strings.Contains(text, "m{instance=\"\",job=\"victim\"} 1\n") {
		t.Error("a page has changed a group")
	}
}

// TestRebinding has a page whose own name was made to lead to the gateway, so
// that it is of the same origin.
func TestRebinding(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api", "--web.allowed-hosts=127.0.0.1")
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/victim", "m 1\n")
	for _, c := range []string{"PUT /api/v1/admin/wipe", "GET /api/v1/overview", "DELETE /metrics/job/victim"} {
		if got := g.speak(c + " HTTP/1.1\r\nHost: evil.example.org\r\nOrigin: http://evil.example.org\r\nContent-Length: 0\r\n\r\n"); got != "HTTP/1.1 403 Forbidden" {
			t.Errorf("%s: got %q", c, got)
		}
	}
}

// TestPathsPastProxies asks for what a proxy that compares paths keeps from
// everybody.
func TestPathsPastProxies(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api", "--web.enable-lifecycle")
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/victim", "m 1\n")
	for _, path := range []string{
		"/api/v1/%61dmin/wipe", "/api/v1/admin%2Fwipe", "/api/v1/admin%2fwipe", "/api//v1/admin/wipe", "/api/v1/./admin/wipe", "/api/v1/%2e/admin/wipe",
		"/metrics/../api/v1/admin/wipe", "/api/v1/admin/wipe/", "/API/v1/admin/wipe", "/%2e%2e/api/v1/admin/wipe", "/api/v1/admin/wip%65",
		"/metrics/job/x/%2e%2e/victim", "/metrics/job/x/../victim", "/metrics/%6aob/victim", "/-/%71uit", "//-/quit",
	} {
		got := g.speak("PUT " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if got != "HTTP/1.1 400 Bad Request" && got != "HTTP/1.1 404 Not Found" {
			t.Errorf("%s: got %q", path, got)
		}
	}
	if text := g.want(http.StatusOK, http.MethodGet, "/metrics", ""); !strings.Contains(text, "m{instance=\"\",job=\"victim\"} 1\n") {
		t.Error("a group has been changed")
	}
}

// speak sends bytes as they are, and gives the first line of the answer.
func (g *gateway) speak(request string) string {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		g.t.Fatal(err)
	}
	fmt.Fprint(conn, request)
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		g.t.Fatalf("the answer to %q: %v", clip(request), err)
	}
	return strings.TrimSpace(line)
}
