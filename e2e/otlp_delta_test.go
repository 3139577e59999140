package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// deltaOf is a sum in JSON with points that only say how much it grew.
func deltaOf(name string, points ...string) string {
	return fmt.Sprintf(`{"name":%q,"sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[%s]}}`, name, strings.Join(points, ","))
}

// pointOf is a point of a number.
func pointOf(at int, value string) string {
	return fmt.Sprintf(`{"startTimeUnixNano":"%d000000000","timeUnixNano":"%d500000000","asDouble":%s,"attributes":[{"key":"n","value":{"stringValue":"1"}}]}`, at, at, value)
}

// bucketsOf is a histogram of deltas with one point.
func bucketsOf(at int, bounds, counts string, count int, sum string) string {
	return fmt.Sprintf(`{"name":"h","unit":"s","histogram":{"aggregationTemporality":1,"dataPoints":[{"startTimeUnixNano":"%d000000000","count":"%d","sum":%s,"explicitBounds":[%s],"bucketCounts":[%s]}]}}`, at, count, sum, bounds, counts)
}

// exponentialOf is an exponential histogram of deltas with one point.
func exponentialOf(at, scale, offset int, count int, counts string) string {
	return fmt.Sprintf(`{"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"startTimeUnixNano":"%d000000000","count":"%d","sum":1,"scale":%d,"positive":{"offset":%d,"bucketCounts":[%s]}}]}}`, at, count, scale, offset, counts)
}

const gone = `{"name":"g","gauge":{"dataPoints":[{"flags":1,"attributes":[{"key":"n","value":{"stringValue":"1"}}]}]}}`

// gaugeOf is a gauge with one point.
func gaugeOf(value string) string {
	return `{"name":"g","gauge":{"dataPoints":[` + pointOf(1, value) + `]}}`
}

// TestOTLPDelta exports what adds up, beside what does not, and wants these lines
// in the end. $ stands for the labels of the group.
func TestOTLPDelta(t *testing.T) {
	s := start(t, "--web.enable-openmetrics", "--web.enable-admin-api")
	for name, c := range map[string]struct {
		exports           []string // metrics of one request each
		text, open, proto string
		absent            string // begins no line
	}{
		"counter": {
			exports: []string{deltaOf("c", pointOf(10, "3")), deltaOf("c", pointOf(20, "0.5")), deltaOf("c", pointOf(30, "0"))},
			text:    "# TYPE c_total counter\nc_total{$,n=\"1\"} 3.5\n", open: "c_total{$,n=\"1\"} 3.5\nc_created{$,n=\"1\"} 10\n",
			proto: "created_timestamp:{seconds:10 nanos:0}",
		},
		"the same body again": {
			exports: []string{deltaOf("c", pointOf(10, "3")), deltaOf("c", pointOf(10, "3")), deltaOf("c", pointOf(20, "1")), deltaOf("c", pointOf(10, "3"))},
			text:    "# TYPE c_total counter\nc_total{$,n=\"1\"} 4\n",
		},
		"several points of a series": {
			exports: []string{deltaOf("c", pointOf(10, "3"), pointOf(20, "4"), pointOf(15, "5")), deltaOf("c", pointOf(30, "1"), pointOf(31, "1"))},
			text:    "# TYPE c_total counter\nc_total{$,n=\"1\"} 14\n", open: "c_created{$,n=\"1\"} 10\n",
		},
		"several points, and no value in the end": {
			exports: []string{deltaOf("c", pointOf(10, "3"), pointOf(20, "4"), strings.Replace(pointOf(30, "0"), "{", `{"flags":1,`, 1))},
			absent:  "c_total",
		},
		"several points of a histogram": {
			exports: []string{strings.Replace(bucketsOf(10, "1,2", `"1","0","1"`, 2, "5"), `"dataPoints":[`, `"dataPoints":[{"count":"1","sum":0.5,"explicitBounds":[1,2],"bucketCounts":["1","0","0"]},`, 1)},
			text:    "# TYPE h_seconds histogram\nh_seconds_bucket{$,le=\"1\"} 2\nh_seconds_bucket{$,le=\"2\"} 2\nh_seconds_bucket{$,le=\"+Inf\"} 3\nh_seconds_sum{$} 5.5\nh_seconds_count{$} 3\n",
		},
		"histogram": {
			exports: []string{bucketsOf(10, "1,2", `"1","0","1"`, 2, "5"), bucketsOf(20, "1,2", `"0","3","0"`, 3, "4")},
			text:    "# TYPE h_seconds histogram\nh_seconds_bucket{$,le=\"1\"} 1\nh_seconds_bucket{$,le=\"2\"} 4\nh_seconds_bucket{$,le=\"+Inf\"} 5\nh_seconds_sum{$} 9\nh_seconds_count{$} 5\n",
			open:    "# UNIT h_seconds seconds\nh_seconds_bucket{$,le=\"1.0\"} 1\n",
		},
		"a histogram with other bounds": {
			exports: []string{bucketsOf(10, "1,2", `"1","0","1"`, 2, "5"), bucketsOf(20, "2,4", `"3","0","0"`, 3, "4")},
			text:    "# TYPE h_seconds histogram\nh_seconds_bucket{$,le=\"2\"} 4\nh_seconds_bucket{$,le=\"+Inf\"} 5\nh_seconds_sum{$} 9\nh_seconds_count{$} 5\n",
		},
		"a histogram without buckets": {
			exports: []string{bucketsOf(10, "", "", 2, "5"), bucketsOf(20, "", "", 3, "4")},
			text:    "# TYPE h_seconds histogram\nh_seconds_bucket{$,le=\"+Inf\"} 5\nh_seconds_sum{$} 9\nh_seconds_count{$} 5\n",
		},
		"exponential histogram": {
			exports: []string{exponentialOf(10, 1, 0, 3, `"1","2"`), exponentialOf(20, 0, 0, 4, `"4"`)},
			text:    "# TYPE e histogram\ne_bucket{$,le=\"+Inf\"} 7\ne_sum{$} 2\ne_count{$} 7\n",
			proto:   "schema:0 zero_threshold:1e-128 zero_count:0 positive_span:{offset:1 length:1} positive_delta:7 created_timestamp:{seconds:10 nanos:0}",
		},
		"beside a gauge and a total": {
			exports: []string{
				deltaOf("c", pointOf(10, "3")) + "," + gaugeOf("5") + `,{"name":"t","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[` + pointOf(3, "7") + `]}}`,
				deltaOf("c", pointOf(20, "3")) + "," + gaugeOf("-2") + `,{"name":"t","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[` + pointOf(4, "6") + `]}}`,
			},
			text: "# TYPE c_total counter\nc_total{$,n=\"1\"} 6\n# TYPE g gauge\ng{$,n=\"1\"} -2\n",
			open: "t_total{$,n=\"1\"} 6.0\nt_created{$,n=\"1\"} 4\n",
		},
		"after a total": {
			exports: []string{`{"name":"c","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[` + pointOf(3, "7") + `]}}`, deltaOf("c", pointOf(10, "1"))},
			text:    "# TYPE c_total counter\nc_total{$,n=\"1\"} 8\n", open: "c_created{$,n=\"1\"} 3\n",
		},
		"no value any more": {
			exports: []string{gaugeOf("5") + `,{"name":"o","gauge":{"dataPoints":[{"asInt":"1"}]}}`, gone},
			text:    "# TYPE o gauge\no{$} 1\n", absent: "g{",
		},
		"a delta that ends": {
			exports: []string{deltaOf("c", pointOf(10, "3"), `{"asInt":"1"}`), deltaOf("c", `{"flags":1,"timeUnixNano":"30000000000","attributes":[{"key":"n","value":{"stringValue":"1"}}]}`)},
			text:    "# TYPE c_total counter\nc_total{$} 1\n",
		},
		"a histogram that ends": {
			exports: []string{bucketsOf(10, "1", `"1","0"`, 1, "5") + "," + gaugeOf("1"), `{"name":"h","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"flags":1}]}}`},
			text:    "# TYPE g gauge\ng{$,n=\"1\"} 1\n", absent: "h_seconds",
		},
		"ended, and back in one request": {
			exports: []string{gaugeOf("5"), `{"name":"g","gauge":{"dataPoints":[{"flags":1,"timeUnixNano":"1","attributes":[{"key":"n","value":{"stringValue":"1"}}]},` + pointOf(1, "6") + `]}}`},
			text:    "# TYPE g gauge\ng{$,n=\"1\"} 6\n",
		},
		"back, and ended in one request": {
			exports: []string{gaugeOf("5") + `,{"name":"o","gauge":{"dataPoints":[{"asInt":"1"}]}}`, `{"name":"g","gauge":{"dataPoints":[{"flags":1,"timeUnixNano":"9000000000","attributes":[{"key":"n","value":{"stringValue":"1"}}]},` + pointOf(1, "6") + `]}}`},
			text:    "# TYPE o gauge\no{$} 1\n", absent: "g{",
		},
		"the end of what never was": {exports: []string{gone}, absent: `job="a"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.with(t)
			s.want(http.StatusAccepted, http.MethodPut, "/api/v1/admin/wipe", "")
			for i, metrics := range c.exports {
				// The name of the attribute keeps bodies of the cases apart: a body counts once.
				body := exportOf(attributeOf("case", name), metrics)
				if a := s.want(http.StatusOK, http.MethodPost, "/v1/metrics", body, "Content-Type", otlpJSON); a.body != "{}" {
					t.Errorf("export %d: got %s", i, a.body)
				}
			}
			s.wantTogether("", c.text)
			if c.absent != "" && strings.Contains(aboutJob(s.scrape().body), c.absent) {
				t.Errorf("there is still %s", c.absent)
			}
			s.wantTogether(openMetricsUTF8, c.open)
			if proto := s.scrape("Accept", compactAccept).body; !strings.Contains(proto, c.proto) {
				t.Errorf("protobuf has no %s:\n%s", c.proto, aboutJob(proto))
			}
		})
	}
}

// TestOTLPOnce wants a body with deltas to count once, also after a restart and if
// the group has ended, and each of two keys of a client.
func TestOTLPOnce(t *testing.T) {
	args := []string{"--persistence.file=" + t.TempDir() + "/file"}
	s := start(t, args...)
	export := func(metrics string, status int, replayed bool, header ...string) {
		t.Helper()
		a := s.want(status, http.MethodPost, "/v1/metrics", exportOf("", metrics), append(header, "Content-Type", otlpJSON)...)
		if is := a.header.Get("Idempotency-Replayed") == "true"; is != replayed {
			t.Errorf("replayed: %v, want %v", is, replayed)
		}
	}
	first, second := deltaOf("c", pointOf(10, "3")), deltaOf("c", pointOf(20, "4"))
	export(first, http.StatusOK, false)
	export(second, http.StatusOK, false)
	export(first, http.StatusOK, true)
	s.wantSeries([]string{`c_total{instance="",job="a",n="1"} 7`}, nil)
	s.proc.Stop()
	s = start(t, args...)
	export(second, http.StatusOK, true)
	s.wantSeries([]string{`c_total{instance="",job="a",n="1"} 7`}, nil)
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/a", "")
	export(first, http.StatusOK, true)
	export(first, http.StatusOK, false, "Idempotency-Key", `"k 1"`)
	export(first, http.StatusOK, true, "Idempotency-Key", `"k 1"`)
	export(second, http.StatusUnprocessableEntity, false, "Idempotency-Key", `"k 1"`)
	s.wantSeries([]string{`c_total{instance="",job="a",n="1"} 3`}, nil)
	export(gaugeOf("1"), http.StatusOK, false, "Idempotency-Key", `"k 1"`) // it can be repeated without harm
	export(first, http.StatusBadRequest, false, "Idempotency-Key", "")
	export(first, http.StatusBadRequest, false, "X-Pushgateway-Merge", "sum")
	export(first, http.StatusBadRequest, false, "X-Pushgateway-Gauges", "max")
	export(first, http.StatusOK, true, "X-Pushgateway-Merge", "series")
	export(first, http.StatusBadRequest, false, "X-Pushgateway-Series-TTL", "soon")
	export(deltaOf("short", pointOf(30, "1")), http.StatusOK, false, "X-Pushgateway-Series-TTL", "100ms")
	s.eventually("no series that ended", func() bool { return !strings.Contains(s.scrape().body, "\nshort_total{") })
	s.wantSeries([]string{`c_total{instance="",job="a",n="1"} 3`}, nil)
}

// takenGauge keeps exportTaken from having its second counter.
const takenGauge = "# TYPE taken_total gauge\ntaken_total 1\n"

// exportTaken exports two counters, of which one is rejected, and wants the gateway to
// have counted the export before, or not. It rejects one point each time.
func (s *server) exportTaken(replayed bool) {
	s.t.Helper()
	body := exportOf("", deltaOf("some", pointOf(7, "1"))+","+deltaOf("taken", pointOf(7, "1")))
	a := s.want(http.StatusOK, http.MethodPost, "/v1/metrics", body, "Content-Type", otlpJSON)
	if is := a.header.Get("Idempotency-Replayed") == "true"; is != replayed || !strings.HasPrefix(a.body, `{"partialSuccess":{"rejectedDataPoints":"1",`) {
		s.t.Errorf("replayed: %v, want %v; got %s", is, replayed, a.body)
	}
}

// TestOTLPRejectedOnce repeats an export of which a point was rejected: after a kill,
// when the reason is gone, and from files that were made of the first one.
func TestOTLPRejectedOnce(t *testing.T) {
	dir := t.TempDir()
	data, exported := filepath.Join(dir, "data"), filepath.Join(dir, "exported.gob")
	s := start(t, "--persistence.file="+data)
	s.want(http.StatusOK, http.MethodPut, "/metrics/job/owner", takenGauge)
	s.exportTaken(false)
	s.exportTaken(true)
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/owner", "")
	s.proc.Kill()
	s = start(t, "--persistence.file="+data)
	s.exportTaken(true)
	s.proc.Stop()
	if code, _, errs := command(t, "export", "--format=gob", "--output="+exported, data); code != 0 {
		t.Fatal(errs)
	}
	s = start(t, "--persistence.file="+exported)
	s.exportTaken(true)
	s.wantSeries([]string{`some_total{instance="",job="a",n="1"} 1`}, nil)
}
