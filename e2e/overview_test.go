package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"
)

// dataOf reads the data of an answer of the API.
func dataOf[T any](s *server, path string, query url.Values) (data T) {
	s.t.Helper()
	a := s.get(path + "?" + query.Encode())
	d := struct{ Data *T }{&data}
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		s.t.Fatalf("%s: %v in %s", path, err, clip(a.body))
	}
	return data
}

// TestOverview tells of groups, jobs, scrapes and what is left out.
func TestOverview(t *testing.T) {
	type job struct {
		Job            string
		Groups, Series int
	}
	type overview struct {
		Groups   int
		Failing  int `json:"groups_failing"`
		Series   int
		Families int
		LeftOut  int `json:"families_left_out"`
		Ages     []struct{ Groups int }
		Jobs     []job
		Hidden   []struct {
			Labels         map[string]string
			Family, Reason string
		} `json:"left_out"`
		Activity struct{ Pushes, Refused []int }
		Scrapers []struct {
			Agent string `json:"user_agent"`
		}
		Storage *struct{}
	}
	s := start(t, "--push.disable-consistency-check")
	if o := dataOf[overview](s, "/api/v1/overview", nil); len(o.Scrapers) != 0 || len(o.Jobs) != 0 || o.Storage != nil {
		t.Errorf("nothing has happened: got %+v", o)
	}
	s.push("/metrics/job/a/instance/1", "m 1\nn{x=\"1\"} 1\nn{x=\"2\"} 1\n", http.StatusAccepted)
	s.push("/metrics/job/a/instance/2", "m 1\n", http.StatusAccepted)
	s.push("/metrics/job/b", "# TYPE m counter\nm 1\n", http.StatusAccepted)
	s.push("/metrics/job/b", "m 1 1000\n", http.StatusAccepted)
	s.push("/metrics/job/never-good", "m 1 1000\n", http.StatusAccepted)
	s.scrape("User-Agent", "Prometheus/3")
	o := dataOf[overview](s, "/api/v1/overview", nil)
	if o.Groups != 4 || o.Series != 5 || o.Families != 4 || o.Failing != 2 || o.LeftOut != 1 || o.Ages[0].Groups != 3 {
		t.Errorf("counts: got %+v", o)
	}
	if want := []job{{"a", 2, 4}, {"b", 1, 1}, {"never-good", 1, 0}}; !reflect.DeepEqual(o.Jobs, want) {
		t.Errorf("jobs: got %v, want %v", o.Jobs, want)
	}
	if len(o.Hidden) != 1 || o.Hidden[0].Family != "m" || o.Hidden[0].Reason != "its type is counter here, but untyped in an older push of another group" {
		t.Errorf("left out: got %+v", o.Hidden)
	}
	if len(o.Scrapers) != 1 || o.Scrapers[0].Agent != "Prometheus/3" {
		t.Errorf("scrapers: got %+v", o.Scrapers)
	}
}

// TestActivity counts pushes once their step of five seconds is over.
func TestActivity(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	s.push("/metrics/job/a", "m x\n", http.StatusBadRequest)
	sum := func(counts []int) (n int) {
		for _, c := range counts {
			n += c
		}
		return n
	}
	type overview struct {
		Activity struct{ Pushes, Refused []int }
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		a := dataOf[overview](s, "/api/v1/overview", nil).Activity
		if len(a.Pushes) != 120 || len(a.Refused) != 120 {
			t.Fatalf("got %d and %d steps, want 120", len(a.Pushes), len(a.Refused))
		}
		if sum(a.Pushes) == 1 && sum(a.Refused) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v, want one push taken and one refused", a)
		}
	}
}

// TestCompletion gives names and values of grouping labels.
func TestCompletion(t *testing.T) {
	s := start(t)
	for _, path := range []string{"job/backup/instance/db1", "job/backup/instance/db2", "job/Restore/zone/eu", "job@base64/YS9i"} {
		s.push("/metrics/"+path, "m 1\n", http.StatusOK)
	}
	for _, tt := range []struct {
		path  string
		query url.Values
		want  []string
	}{
		{"labels", nil, []string{"instance", "job", "zone"}},
		{"labels", url.Values{"contains": {"ON"}}, []string{"zone"}},
		{"labels", url.Values{"match[]": {`{job="backup"}`}}, []string{"instance", "job"}},
		{"label/job/values", nil, []string{"Restore", "a/b", "backup"}},
		{"label/job/values", url.Values{"contains": {"re"}}, []string{"Restore"}},
		{"label/instance/values", url.Values{"limit": {"1"}}, []string{"db1"}},
		{"label/nope/values", nil, []string{}},
	} {
		if got := dataOf[[]string](s, "/api/v1/"+tt.path, tt.query); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s?%s: got %q, want %q", tt.path, tt.query.Encode(), got, tt.want)
		}
	}
	s.want(http.StatusBadRequest, http.MethodGet, "/api/v1/labels?limit=0", "")
	s.want(http.StatusBadRequest, http.MethodGet, "/api/v1/label/job/values?match[]={", "")
}

// TestGroupsOffset jumps to a place, and sorts by state.
func TestGroupsOffset(t *testing.T) {
	s := start(t)
	for _, job := range []string{"a/a/z", "b", "c/a/b"} {
		s.push("/metrics/job/"+job, "m 1\n", http.StatusOK)
	}
	s.push("/metrics/job/b", "m 1 1000\n", http.StatusBadRequest)
	type page struct {
		Total  int
		Groups []struct{ Labels struct{ Job string } }
	}
	for _, tt := range []struct {
		query url.Values
		want  []string
	}{
		{url.Values{"offset": {"1"}, "limit": {"1"}}, []string{"a"}},
		{url.Values{"offset": {"2"}}, []string{"b"}},
		{url.Values{"offset": {"9"}}, nil},
		{url.Values{"sort": {"job"}}, []string{"a", "b", "c"}},
		{url.Values{"sort": {"-job"}, "limit": {"2"}}, []string{"c", "b"}},
		{url.Values{"sort": {"status"}}, []string{"c", "a", "b"}},
		{url.Values{"sort": {"-status"}}, []string{"b", "a", "c"}},
	} {
		p := dataOf[page](s, "/api/v1/groups", tt.query)
		var got []string
		for _, g := range p.Groups {
			got = append(got, g.Labels.Job)
		}
		if p.Total != 3 || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v of %d, want %v of 3", tt.query.Encode(), got, p.Total, tt.want)
		}
	}
	s.want(http.StatusBadRequest, http.MethodGet, "/api/v1/groups?offset=-1", "")
}

// TestPagesAreParts puts pages together, by place and by token, in every
// order: the whole must come of it.
func TestPagesAreParts(t *testing.T) {
	s := start(t)
	for i := range 40 {
		body := "m 1\n"
		for n := range i * 7 % 5 {
			body += fmt.Sprintf("n%d 1\n", n)
		}
		s.push(fmt.Sprintf("/metrics/job/j%d/instance/%d", i%3, i*11%40), body, http.StatusOK)
	}
	for _, order := range []string{"", "job", "status", "push_time", "failure_time", "expiry_time", "families", "series"} {
		for _, sort := range []string{order, "-" + order} {
			whole := s.keys("limit=10000&sort=" + sort)
			for _, limit := range []int{1, 3, 15} {
				var places, tokens []string
				for offset := 0; offset < 40; offset += limit {
					places = append(places, s.keys(fmt.Sprintf("sort=%s&limit=%d&offset=%d", sort, limit, offset))...)
				}
				for token, more := "", true; more; more = token != "" {
					p := s.groups(fmt.Sprintf("sort=%s&limit=%d&page_token=%s", sort, limit, token), http.StatusOK)
					for _, g := range p.Data.Groups {
						tokens = append(tokens, fmt.Sprint(g.Labels))
					}
					token = p.Data.Next
				}
				if len(whole) != 40 || !slices.Equal(places, whole) || !slices.Equal(tokens, whole) {
					t.Errorf("sort=%s, %d a page: got %v by place, %v by token, want %v", sort, limit, places, tokens, whole)
				}
			}
		}
	}
}

// keys gives the labels of the groups on a page.
func (s *server) keys(query string) (keys []string) {
	s.t.Helper()
	for _, g := range s.groups(query, http.StatusOK).Data.Groups {
		keys = append(keys, fmt.Sprint(g.Labels))
	}
	return keys
}
