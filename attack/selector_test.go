package attack

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// waysToSelect are the requests that take selectors.
var waysToSelect = []struct{ method, path string }{
	{http.MethodGet, "/api/v1/groups"},
	{http.MethodGet, "/api/v1/labels"},
	{http.MethodGet, "/api/v1/jobs"},
	{http.MethodGet, "/api/v1/label/job/values"},
	{http.MethodPost, "/api/v1/admin/delete_groups"},
}

// fill pushes groups with keys of some bytes.
func (g *gateway) fill(groups, size int) {
	g.t.Helper()
	var body strings.Builder
	for i := range groups {
		fmt.Fprintf(&body, "m{job=\"%06d%s\"} 1\n", i, strings.Repeat("a", size))
	}
	g.want(http.StatusOK, http.MethodPost, "/api/v1/push?group_by=job", body.String())
}

func TestSelectorsThatTakeTooMuchAreRefused(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api")
	g.fill(5_000, 10)
	repeats := strings.Repeat(`(.?[ab]?\\pL?){900}`, 40)
	for name, values := range map[string]url.Values{
		"repeats":           {"match[]": {`{job=~"` + repeats + `"}`}},
		"nested repeats":    {"match[]": {`{job=~"(((.?){9}a?){9}(b?c?){9}){9}(((.?){9}a?){9}(b?c?){9}){9}"}`}},
		"repeats in each":   {"match[]": times(90, `{job=~".*(.?a){300}"}`)},
		"a long selector":   {"match[]": {`{job=~"` + strings.Repeat("(a|b)", 5_000) + `"}`}},
		"many matchers":     {"match[]": times(90, `{`+strings.Repeat(`job!="a",`, 30)+`}`)},
		"classes":           {"match[]": {`{job=~"` + strings.Repeat(`\\pL`, 2_000) + `"}`}},
		"a long search":     {"search": {strings.Repeat("a", 50_000)}},
		"many alternatives": {"match[]": {`{job=~"(?i)` + strings.Repeat("a|.b|", 2_000) + `"}`}},
	} {
		for _, way := range waysToSelect {
			text := g.want(http.StatusBadRequest, way.method, way.path+"?"+values.Encode(), "")
			if !strings.Contains(text, "allowed") || len(text) > 5_000 {
				t.Errorf("%s in %s: got %q, want the bound", name, way.path, clip(text))
			}
		}
	}
	g.want(http.StatusBadRequest, http.MethodGet, "/api/v1/groups?page_token="+strings.Repeat("!", 10_000), "")
	g.want(http.StatusBadRequest, http.MethodGet, "/api/v1/labels?contains="+strings.Repeat("a", 50_000), "")
	form := url.Values{"match[]": {`{job=~"` + strings.Repeat("(.?){99}", 100_000) + `"}`}}
	g.want(http.StatusBadRequest, http.MethodPost, "/api/v1/admin/delete_groups", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func times(n int, s string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// TestSearchesEndWithTheirClients has as many clients leave as may search at
// once: the next one is served.
func TestSearchesEndWithTheirClients(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api")
	g.fill(5_000, 900)
	g.fill(500, 30_000)
	dear := url.Values{"match[]": {`{job=~"(.?){300}(.?){300}(.?){300}(.?){300}.*x"}`}}.Encode()
	client := clientFrom(attacker, 300*time.Millisecond)
	var leaving sync.WaitGroup
	for range 4 {
		for _, way := range waysToSelect {
			leaving.Go(func() { _, _, _ = ask(client, way.method, g.base+way.path+"?"+dear, "") })
		}
	}
	leaving.Wait()
	for _, way := range waysToSelect {
		g.want(http.StatusOK, way.method, way.path+"?search=000001a", "")
	}
}

// TestSearchesMakeRoom has a client search with more connections than searches are
// answered at once, for as long as each may take. Others are served, and the client is
// told why its searches end.
func TestSearchesMakeRoom(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api")
	g.fill(500, 30_000)
	dear := url.Values{"match[]": times(99, `{job=~".*a.*a.*b"}`)}.Encode()
	client, other := clientFrom(attacker, patience), clientFrom(neighbour, patience)
	stop, told := make(chan struct{}), make(chan string, 1)
	var searching sync.WaitGroup
	for range 50 {
		searching.Go(func() {
			for !isClosed(stop) {
				status, text, _ := ask(client, http.MethodGet, g.base+"/api/v1/groups?"+dear, "")
				if status == http.StatusServiceUnavailable && strings.Contains(text, "made room") {
					select {
					case told <- text:
					default:
					}
				}
			}
		})
	}
	for range 3 {
		time.Sleep(1500 * time.Millisecond) // so that searches have begun which may have to end
		for _, way := range waysToSelect {
			status, text, err := ask(other, way.method, g.base+way.path+"?search=000001a", "")
			if err != nil || status != http.StatusOK {
				t.Errorf("%s: %d %s, %v", way.path, status, clip(text), err)
			}
		}
	}
	select {
	case <-told:
	default:
		t.Error("no search was told that it has made room, so the test shows nothing")
	}
	close(stop)
	searching.Wait()
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
