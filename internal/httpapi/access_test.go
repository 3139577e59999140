package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/config"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/intake"
	"pushgateway/internal/live"
	"pushgateway/internal/login"
)

// selecting is a selector for the match of a user.
func selecting(t testing.TB, text string) *config.Selector {
	t.Helper()
	s := new(config.Selector)
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

// users are settings with users, whose tokens are their names.
func users(anonymous []config.Permission, all ...config.User) *live.Current {
	for i := range all {
		all[i].Token = config.Secret(all[i].Name)
	}
	a := &config.Access{Anonymous: anonymous, Users: all}
	return live.Fixed(&live.Settings{Limits: guard.Limits{}.WithDefaults(), Users: login.NewUsers(a, login.NewHashes(), nil)})
}

// as asks as a user, or as nobody.
func as(h http.Handler, user, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if strings.HasPrefix(body, `{"resourceMetrics"`) {
		r.Header.Set("Content-Type", "application/json")
	}
	if user != "" {
		r.Header.Set("Authorization", "Bearer "+user)
	}
	if strings.HasPrefix(body, `{"resourceMetrics"`) {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// pathOf is a path of a route, with a part in the place of its variable.
func pathOf(r route, part string) string {
	i := strings.IndexAny(r.path, ":*")
	if i < 0 {
		return r.path
	}
	_, rest, _ := strings.Cut(r.path[i:], "/")
	return strings.TrimSuffix(r.path[:i]+part+"/"+rest, "/")
}

// TestMatrix tries every route, whatever there will be, with every permission:
// as nobody, with wrong credentials, as somebody who has only this permission,
// and as somebody who has it for some groups.
func TestMatrix(t *testing.T) {
	c := configured(t)
	for _, given := range config.Permissions {
		c.Settings = users([]config.Permission{}, config.User{Name: "right", May: []config.Permission{given}}, config.User{Name: "matching", May: []config.Permission{given}, Match: selecting(t, `{job="mine"}`)})
		a := &api{Config: c}
		routes := routesOf(c)
		h := a.settled(newRouter("", routes, a.lost))
		for _, r := range routes {
			needs := rules[r.permission].needs
			for user, known := range map[string]bool{"": false, "wrong": false, "right": true, "matching": true} {
				want := http.StatusTeapot
				switch {
				case needs == "": // for everybody
				case !known:
					want = http.StatusUnauthorized
				case needs != given:
					want = http.StatusForbidden
				}
				w := as(h, user, r.method, pathOf(r, "x"), "")
				if w.Code != want {
					t.Errorf("%s %s with %s as %q: got %d %s, want %d", r.method, r.path, given, user, w.Code, w.Body, want)
				}
				if got := w.Header().Get("Www-Authenticate"); (got != "") != (want == http.StatusUnauthorized) {
					t.Errorf("%s %s with %s as %q: the challenge is %q", r.method, r.path, given, user, got)
				}
			}
		}
	}
}

// TestEveryRouteNeedsSomething names the routes that everybody may use.
func TestEveryRouteNeedsSomething(t *testing.T) {
	var open []string
	for _, r := range routesOf(configured(t)) {
		if rules[r.permission].needs == "" {
			open = append(open, r.method+" "+r.path)
		}
	}
	if want := []string{"OPTIONS /api/v1/*path", "GET /api/v1/login"}; !slices.Equal(open, want) {
		t.Errorf("everybody may use %q, want %q", open, want)
	}
}

// TestAnonymousMatrix lets everybody do what anonymous may, also users who may
// not.
func TestAnonymousMatrix(t *testing.T) {
	c := configured(t)
	for _, given := range config.Permissions {
		c.Settings = users([]config.Permission{given}, config.User{Name: "idle"})
		a := &api{Config: c}
		routes := routesOf(c)
		h := a.settled(newRouter("", routes, a.lost))
		for _, r := range routes {
			needs := rules[r.permission].needs
			for user, refused := range map[string]int{"": http.StatusUnauthorized, "idle": http.StatusForbidden} {
				want := http.StatusTeapot
				if needs != "" && needs != given {
					want = refused
				}
				if w := as(h, user, r.method, pathOf(r, "x"), ""); w.Code != want {
					t.Errorf("%s %s with anonymous %s as %q: got %d, want %d", r.method, r.path, given, user, w.Code, want)
				}
			}
		}
	}
}

// stored are the keys of all groups.
func stored(c Config) (keys []grouping.Key) {
	for g := range c.Gateway.View().EachGroup("") {
		keys = append(keys, g.Key)
	}
	return keys
}

// exportOf is a request in the OpenTelemetry protocol with a metric of each
// service.
func exportOf(services ...string) string {
	var all []string
	for _, s := range services {
		all = append(all, fmt.Sprintf(`{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":%q}}]},"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}`, s))
	}
	return `{"resourceMetrics":[` + strings.Join(all, ",") + `]}`
}

// TestMatchOnEveryWay tries all routes that change groups: those with a key in
// the path, and those with keys in the body.
func TestMatchOnEveryWay(t *testing.T) {
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "u", May: []config.Permission{config.Push, config.Delete}, Match: selecting(t, `{job="mine"}`)}, config.User{Name: "ops", May: config.Permissions})
	h := New(c)
	for _, r := range routesOf(c) {
		if r.permission != permPush && r.permission != permDelete {
			continue
		}
		for job, allowed := range map[string]bool{"mine": true, "other": false} {
			as(h, "ops", http.MethodPut, "/metrics/job/other", "kept 1\n")
			path, body := pathOf(r, job)+"?group_by=job", fmt.Sprintf("m{job=%q} 1\n", job)
			if strings.Contains(r.path, "@base64") {
				path = pathOf(r, map[string]string{"mine": "bWluZQ", "other": "b3RoZXI"}[job])
			}
			if r.name == nameOTLP {
				body = exportOf(job)
			}
			w := as(h, "u", r.method, path, body)
			if names := strings.Contains(strings.ReplaceAll(w.Body.String(), `\`, ""), `{job="other"}`); (w.Code/100 == 2) != allowed || !allowed && (w.Code != http.StatusForbidden || !names) {
				t.Errorf("%s %s: got %d %s", r.method, path, w.Code, w.Body)
			}
			if got := as(h, "ops", http.MethodGet, "/api/v1/group/job/other?format=text", "").Body.String(); !strings.Contains(got, "kept") || strings.Contains(got, "\nm") {
				t.Errorf("%s %s: the other group is now %s", r.method, path, got)
			}
		}
	}
}

// TestLabelsOfBodies holds that a user whose match says which values a label must
// have cannot push series with other ones.
func TestLabelsOfBodies(t *testing.T) {
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "u", May: []config.Permission{config.Push}, Match: selecting(t, `{job="a",env=~"test|staging"}`)}, config.User{Name: "ops", May: config.Permissions})
	h := New(c)
	const body = "m{env=\"production\",job=\"b\"} 1\n"
	for path, want := range map[string]int{"/metrics/job/a": 403, "/metrics/job/a/env@base64/=": 403, "/metrics/job/a/env/test": 200, "/api/v1/push?group_by=job": 403, "/api/v1/push?group_by=job,env": 403} {
		if w := as(h, "u", http.MethodPost, path, body); w.Code != want {
			t.Errorf("%s: got %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
	scrape := as(h, "ops", http.MethodGet, "/metrics", "").Body.String()
	if !strings.Contains(scrape, `m{env="test",instance="",job="a"} 1`) || strings.Contains(scrape, "production") {
		t.Errorf("the scrape is\n%s", scrape)
	}
}

// TestLabelsThatKeysLack holds that no label of a series makes it look like one of
// a group that the user may not push to, in any format.
func TestLabelsThatKeysLack(t *testing.T) {
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "u", May: []config.Permission{config.Push}, Match: selecting(t, `{job=~"ci_.*",env!="production"}`)}, config.User{Name: "ops", May: config.Permissions})
	h := New(c)
	as(h, "ops", http.MethodPut, "/metrics/job/ci_a", "m{env=\"production\"} 1\n") // which a refill must not bring back
	as(h, "ops", http.MethodPut, "/metrics/job/ci_a", "m{env=\"production\"} 2\n")
	as(h, "ops", http.MethodDelete, "/metrics/job/ci_a", "")
	for body, want := range map[string]int{
		"m{env=\"production\"} 3\n":                    403,
		"m 1\nn{x=\"1\"} 1\nn{env=\"production\"} 1\n": 403,
		"m{env=\"test\"} 1\n":                          200,
		"m{env=\"test\"} 1\nm{env=\"\"} 1\n":           200,
		"m{Env=\"production\"} 1\n":                    200,
		"m{\"env\"=\"production\"} 1\n":                403,
	} {
		for _, path := range []string{"/metrics/job/ci_a", "/metrics/job/ci_a?merge=series", "/metrics/job/ci_a?merge=sum"} {
			if w := as(h, "u", http.MethodPost, path, body); w.Code != want {
				t.Errorf("%s %q: got %d %s, want %d", path, body, w.Code, w.Body, want)
			}
			as(h, "ops", http.MethodDelete, "/metrics/job/ci_a", "")
		}
		batch := strings.NewReplacer("{", "{job=\"ci_a\",", "m 1", "m{job=\"ci_a\"} 1").Replace(body)
		if w := as(h, "u", http.MethodPost, "/api/v1/push?group_by=job", batch); w.Code != want {
			t.Errorf("a batch of %q: got %d %s, want %d", batch, w.Code, w.Body, want)
		}
		as(h, "ops", http.MethodDelete, "/metrics/job/ci_a", "")
	}
	for _, path := range []string{"/metrics/job/ci_a/env/test", "/metrics/job/ci_a/env@base64/="} { // the key overrides the label
		if w := as(h, "u", http.MethodPut, path, "m{env=\"production\"} 1\n"); w.Code != 200 {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
	export := strings.Replace(exportOf("ci_b"), `"asInt":"1"`, `"asInt":"1","attributes":[{"key":"env","value":{"stringValue":"production"}}]`, 1)
	if w := as(h, "u", http.MethodPost, "/v1/metrics", export); w.Code != 403 {
		t.Errorf("an export: got %d %s", w.Code, w.Body)
	}
}

// TestLabelsUnderOtherNames holds the same of labels that scrapes with escaped names
// show under the name that a user's rights depend on.
func TestLabelsUnderOtherNames(t *testing.T) {
	may := []config.Permission{config.Push, config.Delete}
	c := configured(t)
	c.Intake = intake.New(c.Gateway, intake.Config{UTF8Names: true})
	c.Settings = users(nil, config.User{Name: "u", May: may, Match: selecting(t, `{job=~"ci_.*",env_x!="production"}`)}, config.User{Name: "ops", May: config.Permissions})
	h := New(c)
	for body, want := range map[string]int{
		"{\"m\",\"env.x\"=\"production\"} 1\n":                       403,
		"{\"m\",\"env-x\"=\"production\"} 1\n":                       403,
		"{\"m\",\"a.b\"=\"1\",\"env.x\"=\"production\",c=\"1\"} 1\n": 403,
		"{\"m\",\"env.x\"=\"test\"} 1\n":                             200,
		"{\"m\",\"other.x\"=\"production\"} 1\n":                     200,
	} {
		if w := as(h, "u", http.MethodPut, "/metrics/job/ci_a", body); w.Code != want {
			t.Errorf("%q: got %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	const path = "/metrics/job/ci_a/env.x/production"
	for _, who := range []struct {
		name, method string
		want         int
	}{{"u", http.MethodPut, 403}, {"ops", http.MethodPut, 200}, {"u", http.MethodDelete, 403}, {"ops", http.MethodDelete, 202}} {
		if w := as(h, who.name, who.method, path, "m 1\n"); w.Code != who.want {
			t.Errorf("%s %s as %s: got %d %s, want %d", who.method, path, who.name, w.Code, w.Body, who.want)
		}
	}
	if w := as(h, "u", http.MethodPut, "/metrics/job/ci_b/env.x/test", "m 1\n"); w.Code != 200 {
		t.Errorf("a group that the user may push to: got %d %s", w.Code, w.Body)
	}
}

// TestBatchIsAllOrNothing holds that no group of a body is pushed if one of them
// must not be.
func TestBatchIsAllOrNothing(t *testing.T) {
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "u", May: []config.Permission{config.Push}, Match: selecting(t, `{job=~"a|b"}`)})
	h := New(c)
	if w := as(h, "u", http.MethodPost, "/v1/metrics", exportOf("a", "b", "c")); w.Code != http.StatusForbidden || len(stored(c)) > 0 {
		t.Errorf("an export: got %d %s, and stored are %v", w.Code, w.Body, stored(c))
	}
	for body, want := range map[string]int{
		"m{job=\"a\"} 1\nm{job=\"b\"} 1\n":            http.StatusOK,
		"m{job=\"a\"} 2\nm{job=\"c\"} 1\n":            http.StatusForbidden,
		"m{job=\"a\"} 2\nm{job=\"b\"} 2\nm{x=\"\"} 1": http.StatusBadRequest,
	} {
		if w := as(h, "u", http.MethodPut, "/api/v1/push?group_by=job", body); w.Code != want {
			t.Errorf("%q: got %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	if got := stored(c); len(got) != 2 || got[0].String() != `{job="a"}` || got[1].String() != `{job="b"}` {
		t.Errorf("stored are %v", got)
	}
}

// TestExportIsAllOrNothing holds that no resource of an export is pushed if the
// group of one must not be, and that the job of that group has pushed nothing.
func TestExportIsAllOrNothing(t *testing.T) {
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "u", May: []config.Permission{config.Push}, Match: selecting(t, `{job="mine"}`)})
	h := New(c)
	for _, services := range [][]string{{"mine", "other"}, {"other"}, {"other", "mine"}} {
		if w := as(h, "u", http.MethodPost, "/v1/metrics", exportOf(services...)); w.Code != http.StatusForbidden {
			t.Errorf("%q: got %d %s", services, w.Code, w.Body)
		}
	}
	if got := stored(c); len(got) != 0 {
		t.Errorf("stored are %v", got)
	}
}

// TestRefusedPushesLeaveNoTrace holds that a push to a group of others does not
// even show as a failure of that group.
func TestRefusedPushesLeaveNoTrace(t *testing.T) {
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "u", May: []config.Permission{config.Push}, Match: selecting(t, `{job="mine"}`)})
	h := New(c)
	for _, tt := range []struct{ path, body string }{
		{"/metrics/job/other", "m 1 1\n"},
		{"/metrics/job/other", "m{a=\"1\"} 1\nm{a=\"1\"} 1\n"},
		{"/api/v1/push?group_by=job", "m{job=\"other\"} 1\nm{job=\"other\"} 1\nm{job=\"mine\"} 1\n"},
	} {
		if w := as(h, "u", http.MethodPut, tt.path, tt.body); w.Code/100 != 4 {
			t.Errorf("%s: got %d %s", tt.path, w.Code, w.Body)
		}
	}
	if got := stored(c); len(got) != 0 {
		t.Errorf("stored are %v", got)
	}
}

// TestDeleteByRight deletes many groups, of which the caller may delete some.
func TestDeleteByRight(t *testing.T) {
	admin := []config.Permission{config.Admin, config.Delete}
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "ops", May: config.Permissions}, config.User{Name: "mine", May: admin, Match: selecting(t, `{job="mine"}`)}, config.User{Name: "none", May: admin[:1]})
	h := New(c)
	for _, tt := range []struct {
		user, method, path string
		answer             string
		left               string
	}{
		{"mine", http.MethodPost, "/api/v1/admin/delete_groups?match[]={x=\"1\"}&dry_run=true", `"deleted":1,"groups":[{"job":"mine","x":"1"}],"left":1`, "mine mine other other"},
		{"mine", http.MethodPost, "/api/v1/admin/delete_groups?match[]={x=\"1\"}", `"deleted":1,"groups":[{"job":"mine","x":"1"}],"left":1`, "mine other other"},
		{"none", http.MethodPost, "/api/v1/admin/delete_groups?match[]={x=\"1\"}", `"deleted":0,"groups":[],"left":2`, "mine mine other other"},
		{"ops", http.MethodPost, "/api/v1/admin/delete_groups?match[]={x=\"1\"}", `"deleted":2,"groups":[{"job":"mine","x":"1"},{"job":"other","x":"1"}]}`, "mine other"},
		{"mine", http.MethodPut, "/api/v1/admin/wipe", "The user \"mine\" may not delete 2 groups; they are left.\n", "other other"},
		{"none", http.MethodPut, "/api/v1/admin/wipe", "may not delete 4 groups", "mine mine other other"},
		{"ops", http.MethodPut, "/api/v1/admin/wipe", "", ""},
	} {
		for _, path := range []string{"mine", "mine/x/1", "other", "other/x/1"} {
			as(h, "ops", http.MethodPut, "/metrics/job/"+path, "")
		}
		w := as(h, tt.user, tt.method, tt.path, "")
		if w.Code/100 != 2 || !strings.Contains(w.Body.String(), tt.answer) || tt.answer == "" && w.Body.Len() > 0 {
			t.Errorf("%s as %s: got %d %s", tt.path, tt.user, w.Code, w.Body)
		}
		var left []string
		for _, key := range stored(c) {
			job, _ := key.Value("job")
			left = append(left, job)
		}
		if got := strings.Join(left, " "); got != tt.left {
			t.Errorf("%s as %s: left are %q, want %q", tt.path, tt.user, got, tt.left)
		}
	}
}

// TestAbsentGroups names other groups only to those who may query.
func TestAbsentGroups(t *testing.T) {
	c := configured(t)
	c.Settings = users(nil, config.User{Name: "ops", May: config.Permissions}, config.User{Name: "u", May: []config.Permission{config.Delete}})
	h := New(c)
	as(h, "ops", http.MethodPut, "/metrics/job/a/x/secret", "")
	for user, tells := range map[string]bool{"ops": true, "u": false} {
		if w := as(h, user, http.MethodDelete, "/metrics/job/a", ""); w.Code != http.StatusAccepted || strings.Contains(w.Body.String(), "secret") != tells {
			t.Errorf("%s: got %d %s", user, w.Code, w.Body)
		}
	}
}

// TestWhoAmI shows users what they may do, and why not the rest.
func TestWhoAmI(t *testing.T) {
	c := configured(t)
	c.Settings = users([]config.Permission{config.Query}, config.User{Name: "u", May: []config.Permission{config.Push}, Match: selecting(t, `{job="mine"}`)})
	h := New(c)
	as(h, "u", http.MethodPut, "/metrics/job/mine", "")
	for user, want := range map[string]string{"": "anonymous [query] (match) 8 map[delete:true push:true]", "u": `u [push query] (match {job="mine"}) 7 map[delete:true]`} {
		var status, group struct{ Data identity }
		if err := json.Unmarshal(as(h, user, http.MethodGet, "/api/v1/status", "").Body.Bytes(), &status); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(as(h, user, http.MethodGet, "/api/v1/group/job/mine", "").Body.Bytes(), &group); err != nil {
			t.Fatal(err)
		}
		denied := make(map[config.Permission]bool)
		for p := range group.Data.Denied {
			denied[p] = true
		}
		if got := fmt.Sprintf("%s %v (%s) %d %v", status.Data.User, status.Data.May, strings.TrimSpace("match "+status.Data.Match), len(status.Data.Denied), denied); got != want {
			t.Errorf("%q: got %s, want %s", user, got, want)
		}
	}
	c.Settings = nil
	if got := as(New(c), "", http.MethodGet, "/api/v1/status", "").Body.String(); strings.Contains(got, "user") || strings.Contains(got, "denied") {
		t.Errorf("without users: got %s", got)
	}
}

// TestLogin challenges browsers whose user has not logged in, and sends the
// others to the page.
func TestLogin(t *testing.T) {
	c := configured(t)
	for name, tt := range map[string]struct {
		settings *live.Current
		user     string
		want     int
	}{
		"nobody":   {users(config.Permissions, config.User{Name: "u"}), "", http.StatusUnauthorized},
		"wrong":    {users(config.Permissions, config.User{Name: "u"}), "x", http.StatusUnauthorized},
		"a user":   {users(nil, config.User{Name: "u"}), "u", http.StatusSeeOther},
		"no users": {nil, "", http.StatusSeeOther},
	} {
		c.Settings = tt.settings
		w := as(New(c), tt.user, http.MethodGet, "/api/v1/login", "")
		if w.Code != tt.want || (w.Code == http.StatusSeeOther) != (w.Header().Get("Location") == "../../") || (w.Code == http.StatusUnauthorized) != (w.Header().Get("Www-Authenticate") != "") {
			t.Errorf("%s: got %d %v", name, w.Code, w.Header())
		}
	}
}

// TestRefusedUsers counts and remembers what was refused, and to whom. What
// strangers send is one entry for each address.
func TestRefusedUsers(t *testing.T) {
	c := configured(t)
	counted, pushes := make(map[string]int), make(map[string]int)
	c.RefusedUser = func(user, reason string) { counted[user+" "+reason]++ }
	c.Refused = func(reason string) { pushes[reason]++ }
	c.Settings = users(nil, config.User{Name: "u", May: []config.Permission{config.Push}, Match: selecting(t, `{job="mine"}`)})
	h := New(c)
	for _, tt := range []struct{ user, method, path, body string }{
		{"", http.MethodPut, "/metrics/job/mine", ""},
		{"", http.MethodPut, "/metrics/job/mine2", ""},
		{"", http.MethodGet, "/metrics", ""},
		{"x", http.MethodDelete, "/metrics/job/mine", ""},
		{"u", http.MethodGet, "/metrics", ""},
		{"u", http.MethodGet, "/api/v1/groups", ""},
		{"u", http.MethodPut, "/metrics/job/other", ""},
		{"u", http.MethodPut, "/api/v1/push?group_by=job", "m{job=\"other\"} 1\n"},
		{"u", http.MethodPut, "/metrics/job/mine", "1"},
		{"u", http.MethodPut, "/metrics/job/mine", "m 1\n"},
	} {
		as(h, tt.user, tt.method, tt.path, tt.body)
	}
	if got, want := fmt.Sprint(counted), "map[anonymous credentials:1 anonymous unauthenticated:3 u forbidden:4 u syntax:1]"; got != want {
		t.Errorf("counted are %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(pushes), "map[credentials:1 forbidden:2 syntax:1 unauthenticated:2]"; got != want {
		t.Errorf("counted pushes are %s, want %s", got, want)
	}
	var entries []string
	for _, r := range c.Refusals.Latest(20) {
		entries = append(entries, fmt.Sprint(r.User, " ", r.Reason, " ", r.Times))
	}
	if got, want := strings.Join(entries, ", "), "u syntax 1, u forbidden 1, u forbidden 1, u forbidden 1, u forbidden 1, anonymous credentials 1, anonymous unauthenticated 3"; got != want {
		t.Errorf("remembered are %s, want %s", got, want)
	}
}

// TestUnknownPaths are answered to nobody as to everybody: they tell what the
// manual tells.
func TestUnknownPaths(t *testing.T) {
	c := configured(t)
	c.Settings = users([]config.Permission{}, config.User{Name: "u", May: config.Permissions})
	h := New(c)
	as(h, "u", http.MethodPut, "/metrics/job/secret", "")
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/x", http.StatusNotFound},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, "/metrics/job/secret", http.StatusMethodNotAllowed},
		{http.MethodPut, "/metric/job/secret", http.StatusNotFound},
		{http.MethodOptions, "/metrics/job/secret", http.StatusOK},
		{http.MethodOptions, "/api/v1/groups", http.StatusOK},
		{http.MethodOptions, "/x", http.StatusNotFound},
		{http.MethodGet, "/api/v1//groups", http.StatusTemporaryRedirect},
		{http.MethodHead, "/metrics", http.StatusUnauthorized},
	} {
		nobody, user := as(h, "", tt.method, tt.path, ""), as(h, "u", tt.method, tt.path, "")
		if nobody.Code != tt.want || tt.want != http.StatusUnauthorized && nobody.Body.String() != user.Body.String() {
			t.Errorf("%s %s: got %d %s for nobody, %d for a user, want %d", tt.method, tt.path, nobody.Code, nobody.Body, user.Code, tt.want)
		}
	}
}

// TestPreflight lets browsers ask before they send credentials.
func TestPreflight(t *testing.T) {
	c := configured(t)
	c.Settings = users([]config.Permission{}, config.User{Name: "u", May: config.Permissions})
	r := httptest.NewRequest(http.MethodOptions, "/api/v1/status", nil)
	r.Header.Set("Origin", "https://elsewhere.example")
	r.Header.Set("Access-Control-Request-Headers", "authorization")
	w := httptest.NewRecorder()
	New(c).ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

// TestFormsOfErrors answers in JSON below /api/, with text elsewhere, and to
// exports as their protocol wants it.
func TestFormsOfErrors(t *testing.T) {
	c := configured(t)
	c.Prefix = "/gw"
	c.Settings = users(nil, config.User{Name: "u"})
	h := New(c)
	for path, want := range map[string]string{"/gw/api/v1/groups": "application/json", "/gw/api/v1/push": "application/json", "/gw/metrics": "text/plain", "/gw/metrics/job/a": "text/plain", "/gw/v1/metrics": "application/x-protobuf"} {
		for _, user := range []string{"", "u"} {
			method := http.MethodGet
			if strings.HasSuffix(path, "/push") || strings.HasSuffix(path, "/a") {
				method = http.MethodPut
			}
			if strings.HasSuffix(path, "/v1/metrics") {
				method = http.MethodPost
			}
			w := as(h, user, method, path, "")
			if got, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";"); got != want || cmp.Or(w.Code, 200)/100 != 4 || w.Body.Len() == 0 {
				t.Errorf("%s as %q: got %d, %s", path, user, w.Code, got)
			}
		}
	}
}
