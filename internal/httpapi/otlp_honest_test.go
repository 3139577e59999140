package httpapi

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// growth is a counter in JSON that has grown by 1.
func growth(name string) string {
	return fmt.Sprintf(`{"name":%q,"sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[{"asInt":"1"}]}}`, name)
}

// resourceOf is a resource in JSON with metrics.
func resourceOf(job string, metrics ...string) string {
	return fmt.Sprintf(`{"resource":{"attributes":[%s]},"scopeMetrics":[{"metrics":[%s]}]}`, attributeOf("service.name", job), strings.Join(metrics, ","))
}

// export posts resources, with headers in pairs of name and value.
func export(h http.Handler, resources string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/metrics", strings.NewReader(`{"resourceMetrics":[`+resources+`]}`))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestExportOfUsedKey exports with a key that another body has used in one of two
// groups. Only if nothing is taken, it is an error.
func TestExportOfUsedKey(t *testing.T) {
	const gauge = `{"name":"g","gauge":{"dataPoints":[{"asInt":"1"}]}}`
	for name, tt := range map[string]struct {
		resources string
		status    int
		says      string
		line      string // of the scrape in the end
	}{
		"the group alone":   {resourceOf("a", growth("x"), growth("y")), 422, "was used for another body in the group {job=\\\"a\\\"}", `x_total{instance="",job="a"} 1`},
		"the group first":   {resourceOf("a", growth("x"), growth("y")) + "," + resourceOf("b", growth("x")), 200, `{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"the idempotency key was used for another body`, `x_total{instance="",job="b"} 1`},
		"the group last":    {resourceOf("b", growth("x")) + "," + resourceOf("a", growth("x"), growth("y")), 200, `{"partialSuccess":{"rejectedDataPoints":"2",`, `x_total{instance="",job="b"} 1`},
		"beside a total":    {resourceOf("a", growth("x"), growth("y")) + "," + resourceOf("b", gauge), 200, `{"partialSuccess":{"rejectedDataPoints":"2",`, `g{instance="",job="b"} 1`},
		"beside a refused":  {resourceOf("a", growth("x")) + "," + resourceOf("b", strings.ReplaceAll(gauge, `"g"`, `"taken_total"`)), 422, "was used for another body", `x_total{instance="",job="a"} 1`},
		"all that was used": {resourceOf("a", growth("x")), 200, "{}", `x_total{instance="",job="a"} 1`},
	} {
		h := New(configured(t))
		as(h, "", http.MethodPut, "/metrics/job/b", "# TYPE taken_total counter\ntaken_total 1\n")
		export(h, resourceOf("a", growth("x")), "Idempotency-Key", "k")
		if w := export(h, tt.resources, "Idempotency-Key", "k"); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: got %d %s, want %d %s", name, w.Code, w.Body, tt.status, tt.says)
		}
		if text := scraped(t, h); !strings.Contains(text, "\n"+tt.line+"\n") || !strings.Contains(text, "\nx_total{instance=\"\",job=\"a\"} 1\n") {
			t.Errorf("%s: want %s, got\n%s", name, tt.line, text)
		}
	}
}

// TestExportAgain sends exports again of which some points were refused, and wants
// as many to be rejected as before, also if they would be taken now.
func TestExportAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		resources string
		rejected  int
	}{
		"by another group":   {resourceOf("a", growth("x"), growth("taken")), 1},
		"and by themselves":  {resourceOf("a", growth("x"), growth("taken"), strings.Replace(growth("x"), `"asInt":"1"`, `"asInt":"-1"`, 1)), 2},
		"and by their label": {resourceOf("a", growth("taken"), growth("push_time_seconds"), strings.Replace(growth("x"), `{"asInt":"1"}`, `{"asInt":"1"},{"asInt":"2","attributes":[`+attributeOf("", "x")+`]}`, 1)), 2},
		"in one of two":      {resourceOf("a", growth("x"), growth("taken")) + "," + resourceOf("c", growth("z")), 1},
		"in the second":      {resourceOf("c", growth("x"), growth("y")) + "," + resourceOf("a", growth("x"), growth("taken")), 1},
		"in both":            {resourceOf("a", growth("x"), growth("taken")) + "," + resourceOf("c", growth("z"), growth("taken")), 2},
		"in none":            {resourceOf("a", growth("x")), 0},
	} {
		h := New(configured(t))
		as(h, "", http.MethodPut, "/metrics/job/b", "# TYPE taken_total gauge\ntaken_total 1\n")
		want := fmt.Sprintf(`{"partialSuccess":{"rejectedDataPoints":"%d",`, tt.rejected)
		if tt.rejected == 0 {
			want = "{}"
		}
		for i := range 4 {
			w := export(h, tt.resources)
			if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), want) || (w.Header().Get("Idempotency-Replayed") == "true") != (i > 0) {
				t.Errorf("%s, time %d: got %d %s, %v, want %s", name, i+1, w.Code, w.Body, w.Header(), want)
			}
			if i == 1 {
				as(h, "", http.MethodDelete, "/metrics/job/b", "")
			}
		}
		if text := scraped(t, h); !strings.Contains(text, "\nx_total{instance=\"\",job=\"a\"} 1\n") || strings.Contains(text, "\ntaken_total{") {
			t.Errorf("%s: got\n%s", name, text)
		}
	}
}

// TestExportOfManyTaken exports more families that other groups have taken than one
// sentence names, beside one that is free, and two whose names begin alike.
func TestExportOfManyTaken(t *testing.T) {
	const many = 200
	h, long := New(configured(t)), strings.Repeat("long", 60)
	var taken strings.Builder
	var metrics []string
	for i := range many {
		fmt.Fprintf(&taken, "# TYPE t%d_total gauge\nt%[1]d_total 1\n", i)
		metrics = append(metrics, growth(fmt.Sprint("t", i)))
	}
	fmt.Fprintf(&taken, "# TYPE %sa_total gauge\n%[1]sa_total 1\n# TYPE %[1]sb_total gauge\n%[1]sb_total 1\n", long)
	as(h, "", http.MethodPut, "/metrics/job/b", taken.String())
	w := export(h, resourceOf("a", append(metrics, growth("free"), growth(long+"a"), growth(long+"b"))...))
	want := fmt.Sprintf(`{"partialSuccess":{"rejectedDataPoints":"%d","errorMessage":"families `, many+2)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), want) || !strings.Contains(w.Body.String(), "; and 192 more families") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if text := scraped(t, h); !strings.Contains(text, "\nfree_total{instance=\"\",job=\"a\"} 1\n") {
		t.Error("the family that is free is missing")
	}
}

// gzipOf compresses a text with gzip.
func gzipOf(text string) string {
	var b strings.Builder
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // a builder takes everything
	_ = z.Close()
	return b.String()
}

// TestExportsThatAreNone sends bodies that cannot be read, and wants to be told what to
// send instead.
func TestExportsThatAreNone(t *testing.T) {
	request := `{"resourceMetrics":[` + resourceOf("a", growth("x")) + `]}`
	for name, tt := range map[string]struct{ body, contentType, encoding, says string }{
		"nothing":           {"", "application/json", "", "it is empty, so send an ExportMetricsServiceRequest"},
		"JSON as protobuf":  {"\n " + request, "application/x-protobuf", "", "it looks like JSON, so send Content-Type: application/json"},
		"protobuf as JSON":  {"\n\x02\n\x00", "application/json", "", "if it is protobuf, send Content-Type: application/x-protobuf"},
		"no UTF-8":          {strings.ReplaceAll(request, "x", "\xff"), "application/json", "", "write all names and values as UTF-8"},
		"a name not UTF-8":  {"\n\x07\x12\x05\x12\x03\n\x01\xff", "application/x-protobuf", "", "write all names and values as UTF-8"},
		"a list":            {"[]", "application/json", "", "send an ExportMetricsServiceRequest"},
		"not compressed":    {request, "application/json", "gzip", "leave out the header"},
		"badly compressed":  {"\x1f\x8b\x08garbage", "application/x-protobuf", "gzip", "decompressing gzip: unexpected EOF"},
		"gzip untold":       {"\x1f\x8b\x08\x00\x00", "application/x-protobuf", "", "the body is compressed with gzip; send the header Content-Encoding: gzip"},
		"gzip twice":        {gzipOf("\x1f\x8b\x08\x00\x00"), "application/json", "gzip", "the body is still compressed with gzip after decompression"},
		"deflate":           {"\x78\x9c\x03\x00\x00\x00\x00\x01", "application/json", "deflate", "the gateway does not know the Content-Encoding \\\"deflate\\\"; use gzip"},
		"deflate untold":    {"\x78\x9c\x03\x00\x00\x00\x00\x01", "application/x-protobuf", "", "the body is compressed with zlib (deflate)"},
		"an unknown coding": {"?", "application/json", "br", "Content-Encoding \\\"br\\\""},
		"traces":            {`{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET"}]}]}]}`, "application/json", "", "the body has traces, but the gateway takes only metrics"},
		"no traces":         {`{"resource_spans":[]}`, "application/json", "", "the body has traces"},
		"logs":              {`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"m 1"}}]}]}]}`, "application/json", "", "the body has logs"},
		"profiles":          {`{"resourceProfiles":[{}],"dictionary":{}}`, "application/json", "", "the body has profiles"},
		"traces packed":     {gzipOf("\n\x11\x12\x0f\n\x00\x12\x0b\n\x00\x39\x01\x00\x00\x00\x00\x00\x00\x00"), "application/x-protobuf", "gzip", "the body has traces"},
		"an odd span":       {"\n\x0f\x12\x0d\x12\x0b\n\x00\x41\x01\x00\x00\x00\x00\x00\x00\x00", "application/x-protobuf", "", "the body has traces"},
		"a record of a log": {"\n\x1a\n\x00\x12\x16\x12\x14\x09\x01\x00\x00\x00\x00\x00\x00\x00\x2a\x09\n\x07invalid", "application/x-protobuf", "", "the body has logs"},
		"an observation":    {"\n\x0d\x12\x0b\x12\x09\x59\x01\x00\x00\x00\x00\x00\x00\x00", "application/x-protobuf", "", "the body has logs"},
		"a number too high": {`{"resourceMetrics":[` + resourceOf("a", strings.ReplaceAll(growth("x"), `"1"`, `"99999999999999999999"`)) + `]}`, "application/json", "", "asInt"},
	} {
		h := New(configured(t))
		r := httptest.NewRequest(http.MethodPost, "/v1/metrics", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.contentType)
		r.Header.Set("Content-Encoding", tt.encoding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "send it to /v1/metrics") || strings.Contains(w.Body.String(), "send the header") && !strings.Contains(tt.says, "send the header") {
			t.Errorf("%s: got %d %s, want %s", name, w.Code, w.Body, tt.says)
		}
	}
}

// TestSeriesLifeOfTotals wants the header for the time to live of series to hold
// for all series of an export.
func TestSeriesLifeOfTotals(t *testing.T) {
	c := configured(t)
	h := New(c)
	const total = `{"name":"t","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[{"asInt":"5"}]}}`
	if w := export(h, resourceOf("a", total), "X-Pushgateway-Series-TTL", "1h"); w.Code != http.StatusOK || w.Body.String() != "{}" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if text := scraped(t, h); !strings.Contains(text, "\nt_total{instance=\"\",job=\"a\"} 5\n") || !strings.Contains(text, "\npush_expiry_time_seconds{instance=\"\",job=\"a\"}") {
		t.Errorf("want a group that ends with its last series, got\n%s", text)
	}
	export(h, resourceOf("a", strings.ReplaceAll(total, `"5"`, `"2"`)))
	if text := scraped(t, h); !strings.Contains(text, "\nt_total{instance=\"\",job=\"a\"} 2\n") || strings.Contains(text, "\npush_expiry_time_seconds{") {
		t.Errorf("want a series that does not end, got\n%s", text)
	}
}
