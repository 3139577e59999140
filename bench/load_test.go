package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestBodiesAreTheReferenceLoad(t *testing.T) {
	l := newLoad(1000)
	if size := l.meanSize(); size < 6600 || size > 7000 {
		t.Errorf("a body has %.0f bytes, want about 6.8 kB", size)
	}
	for i, body := range l.bodies {
		p := expfmt.NewTextParser(model.LegacyValidation)
		got, err := p.TextToMetricFamilies(strings.NewReader(body))
		if err != nil || len(got) != familiesPerGroup {
			t.Errorf("body %d: %d families, %v", i, len(got), err)
		}
		lines := strings.Count(body, "\n") - strings.Count("\n"+body, "\n#")
		if lines != seriesPerGroup {
			t.Errorf("body %d: %d series", i, lines)
		}
	}
}

func TestBodiesOfUsersHaveTheirOwnLabels(t *testing.T) {
	l := newUserLoad(1000, true)
	labels := map[string]bool{}
	for n := range 2 * l.groups {
		p := expfmt.NewTextParser(model.LegacyValidation)
		got, err := p.TextToMetricFamilies(strings.NewReader(l.body(n)))
		if err != nil || len(got) != familiesPerGroup {
			t.Errorf("body %d: %d families, %v", n, len(got), err)
		}
		first, _, _ := strings.Cut(got["etl_retries_total"].String(), "counter")
		labels[first] = true
		if n < l.groups && l.body(n) == l.body(n+l.groups) {
			t.Errorf("the second body of group %d is the first one again", n)
		}
	}
	if len(labels) != l.groups {
		t.Errorf("%d different sets of labels for %d groups", len(labels), l.groups)
	}
}

func TestPushesCycleOverTheGroups(t *testing.T) {
	l := newLoad(1000)
	for n, want := range map[int]string{0: "i-0", 9: "i-9", 10: "i-0", 1234: "i-4"} {
		request := string(l.appendPush(nil, n))
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != l.bodies[n%variants] {
			t.Errorf("push %d: other body than rendered (%v)", n, err)
		}
		if r.URL.Path != "/metrics/job/bench/instance/"+want {
			t.Errorf("push %d goes to %s", n, r.URL.Path)
		}
	}
}
