package e2e

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// refusal is a push that was not taken, as the overview tells of it.
type refusal struct {
	Client, Method, Path, Reason, Error string

	Agent string `json:"user_agent"`
	Times int
}

type withRefusals struct{ Refusals []refusal }

// TestRefusals tells who pushes what cannot be taken, also where no group shows
// it.
func TestRefusals(t *testing.T) {
	s := start(t)
	if got := dataOf[withRefusals](s, "/api/v1/overview", nil).Refusals; got == nil || len(got) > 0 {
		t.Errorf("nothing was refused: got %v", got)
	}
	const pushes = 30
	for range pushes {
		s.push("/metrics/job/a%20b", "m 1", http.StatusBadRequest, "User-Agent", "nightly/1")
	}
	s.push("/metrics/job/a%20b", "m 1 1\n", http.StatusBadRequest)
	s.push("/api/v1/push?group_by=job,", "m 1\n", http.StatusBadRequest)
	got := dataOf[withRefusals](s, "/api/v1/overview", nil).Refusals
	if len(got) != 3 {
		t.Fatalf("got %+v", got)
	}
	first := refusal{"127.0.0.1", "PUT", "/metrics/job/a%20b", "syntax", "line 1: the last line has no newline at its end; add one", "nightly/1", pushes}
	if got[2] != first {
		t.Errorf("got %+v, want %+v", got[2], first)
	}
	if got[1].Reason != "timestamps" || got[1].Path != first.Path || got[0].Reason != "parameter" || got[0].Path != "/api/v1/push" {
		t.Errorf("got %+v", got[:2])
	}
	// Debugging is off, so these are warnings.
	lines := strings.Count(s.log.String(), "msg=Refused client=127.0.0.1 user_agent=nightly/1 method=PUT path=/metrics/job/a%20b reason=syntax err=\"line 1: ")
	if lines == 0 || lines >= pushes {
		t.Errorf("%d lines in the log of %d refused pushes", lines, pushes)
	}
}

// TestRefusalsAreBounded keeps the latest, and not all of a long path.
func TestRefusalsAreBounded(t *testing.T) {
	s := start(t)
	for i := range 50 {
		s.push(fmt.Sprintf("/metrics/job/%d/%s", i, strings.Repeat("ü", 3000)), "m 1\n", http.StatusBadRequest)
	}
	got := dataOf[withRefusals](s, "/api/v1/overview", nil).Refusals
	if len(got) != 20 || !strings.HasPrefix(got[0].Path, "/metrics/job/49/") || len(got[0].Path) > 1000 || len(got[0].Error) > 1000 {
		t.Errorf("%d are kept, the latest is %+v", len(got), got[0])
	}
}

// TestHints wants to hear first what was sent in place of the text format.
func TestHints(t *testing.T) {
	s := start(t)
	const (
		form     = "application/x-www-form-urlencoded"
		protobuf = "application/vnd.google.protobuf"
		good     = "# TYPE m gauge\nm{job=\"a\"} 1\n"
	)
	family := protoBody(`name:"m" type:GAUGE metric{gauge{value:1}}`)
	block := string(snappy.Encode(nil, []byte(strings.Repeat(good, 3))))
	for name, c := range map[string]struct {
		body, says string
		header     []string
	}{
		"gzip":                     {packedAs(t, "gzip", good), "the body is compressed with gzip; send the header Content-Encoding: gzip", nil},
		"zstd":                     {packedAs(t, "zstd", good), "the body is compressed with zstd; send the header Content-Encoding: zstd", nil},
		"snappy":                   {packedAs(t, "snappy", good), "the body is compressed with snappy; send the header Content-Encoding: snappy", nil},
		"gzip, as a form":          {packedAs(t, "gzip", good), "the body is compressed with gzip; send the header", []string{"Content-Type", form}},
		"gzip, as protobuf":        {packedAs(t, "gzip", family), "the body is compressed with gzip; send the header", []string{"Content-Type", protobufDelimited}},
		"gzip twice":               {packedAs(t, "gzip", packedAs(t, "gzip", good)), "the body is still compressed with gzip after decompression", []string{"Content-Encoding", "gzip"}},
		"a picture":                {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00", "the body is binary, in a format that this gateway does not know", nil},
		"a NUL":                    {"m 1\n\x00\n", "line 2: expected a metric name, found '\\x00'", nil},
		"zlib":                     {packedAs(t, "zlib", good), "the body is compressed with zlib", nil},
		"bzip2":                    {"BZh91AY&SY\x90\x9b\xd1\x11\x00\x00", "the body is compressed with bzip2, which this gateway cannot decompress; use gzip", nil},
		"xz":                       {"\xfd7zXZ\x00\x00\x04", "the body is compressed with xz", nil},
		"zip":                      {"PK\x03\x04\x14\x00", "the body is compressed with zip", nil},
		"block of snappy":          {block, "the body is compressed with snappy as a block, which", nil},
		"block, said to be snappy": {block, "the body is compressed with snappy as a block, which", []string{"Content-Encoding", "snappy"}},
		"zstd, said to be gzip":    {packedAs(t, "zstd", good), "the body is compressed with zstd", []string{"Content-Encoding", "gzip"}},
		"JSON, said to be gzip":    {"{\"m\": 1}", "the body is JSON", []string{"Content-Encoding", "gzip"}},

		"remote write": {string(snappy.Encode(nil, []byte("\n\x1a\n\r\n\b__name__\x12\x01m"))), "the request is Prometheus remote write",
			[]string{"Content-Encoding", "snappy", "Content-Type", "application/x-protobuf", "X-Prometheus-Remote-Write-Version", "0.1.0"}},
		"remote write 2": {block, "the request is Prometheus remote write", []string{"Content-Encoding", "snappy", "Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"}},
		"OTLP":           {"\n\x04\n\x00\x12\x00", "the Content-Type application/x-protobuf is that of OTLP", []string{"Content-Type", "application/x-protobuf"}},
		"OTLP as JSON":   {`{"resourceMetrics":[]}`, "the body is OTLP in JSON", []string{"Content-Type", "application/json"}},

		"protobuf":                     {family, "the body is protobuf, but its Content-Type does not say so; send Content-Type: " + protobufDelimited, nil},
		"protobuf of another type":     {family, "the body is protobuf, but its Content-Type does not say so", []string{"Content-Type", "application/x-protobuf"}},
		"protobuf with half a type":    {family, "the body is protobuf, but its Content-Type does not say so", []string{"Content-Type", protobuf + "; encoding=delimited"}},
		"protobuf without lengths":     {family[1:], "the body is protobuf without a length before each message", []string{"Content-Type", protobufDelimited}},
		"protobuf, neither":            {family[1:], "the body is protobuf without a length before each message", nil},
		"text, said to be protobuf":    {good, "the body is text, but its Content-Type says protobuf", []string{"Content-Type", protobufDelimited}},
		"a comment, said to be so":     {"# TYPE m gauge\nm 1\n# and more of it\n", "the body is text, but its Content-Type says protobuf", []string{"Content-Type", protobufDelimited}},
		"JSON, said to be protobuf":    {"{\"m\": 1}", "the body is JSON", []string{"Content-Type", protobufDelimited}},
		"protobuf for people":          {"name: \"m\"\ntype: GAUGE\nmetric {\n  gauge {\n    value: 1\n  }\n}\n", "the body is protobuf in its text form", nil},
		"protobuf for people, compact": {`name:"m" type:GAUGE metric:{gauge:{value:1}}`, "the body is protobuf in its text form", []string{"Content-Type", protobuf + "; encoding=compact-text"}},

		"byte order mark":        {"\ufeff" + good, "the body begins with a byte order mark", nil},
		"JSON after a mark":      {"\ufeff{\"m\": 1}", "the body is JSON", nil},
		"UTF-16":                 {"\xff\xfem\x00 \x001\x00\n\x00", "the body is UTF-16", nil},
		"UTF-16, big end first":  {"\xfe\xff\x00m\x00 \x001\x00\n", "the body is UTF-16", nil},
		"UTF-16 without a mark":  {"m\x00 \x001\x00\n\x00", "the body is UTF-16", nil},
		"UTF-32":                 {"\xff\xfe\x00\x00m\x00\x00\x00", "the body is UTF-32", nil},
		"a literal newline":      {`m 1\n`, "there is a backslash and an n", nil},
		"literal and real":       {`m 1\n` + "\n", "there is a backslash and an n", nil},
		"literal after a type":   {`# TYPE m gauge\nm 1\n`, "there is a backslash and an n", nil},
		"literal after a help":   {`# HELP m Help.\n# TYPE m gauge\nm 1`, "there is a backslash and an n", nil},
		"literal after labels":   {`m{a="1"} 1\nm{a="2"} 2\n`, "there is a backslash and an n", nil},
		"literal in a value":     {`m{a="x 1\n"} z` + "\n", "line 1: ", nil},
		"UTF-32 without a mark":  {"m\x00\x00\x00 \x00\x00\x001\x00\x00\x00", "the body is UTF-32", nil},
		"Latin-1":                {"gr\xf6\xdfe 1\n", `line 1: the metric name ends after "gr", found the byte 0xf6, which is not UTF-8`, nil},
		"one line with CRLF":     {"m 1\r\n", "line 1: the line ends with CRLF", nil},
		"another one":            {"m x\r\n", "line 1: the line ends with CRLF", nil},
		"CR alone":               {"m 1\rn 2\r", "lines end with CR alone", nil},
		"URL-encoded":            {"m%7Ba%3D%221%22%7D+1%0A", "the body is URL-encoded", nil},
		"a field, URL-encoded":   {"data=m+1%0A", "the body is URL-encoded", []string{"Content-Type", form}},
		"base64":                 {base64.StdEncoding.EncodeToString([]byte(good)), "the body is base64", nil},
		"curl -d":                {"# TYPE m gaugem 1", "curl -d removes newlines, as $(…) does with the last one; use --data-binary, and end the body with a newline (line 1: ", []string{"Content-Type", form}},
		"fields":                 {"m=1&n=2", "the body is a URL-encoded form", []string{"Content-Type", form}},
		"name of a file":         {"@metrics.prom", "the body is the name of a file", nil},
		"curl -F":                {"--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nm 1\n\r\n--x--\r\n", "the body is a multipart form", []string{"Content-Type", "multipart/form-data; boundary=x"}},
		"curl -F without a type": {"--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nm 1\n\r\n--x--\r\n", "the body is a multipart form", nil},

		"JSON":                {"{\"m\": 1}\n", "the body is JSON; push the text format", nil},
		"JSON in lines":       {"{\"m\": 1}\n{\"m\": 2}\n", "the body is JSON", []string{"Content-Type", "application/json"}},
		"an array of JSON":    {"\n [ {\"m\": 1} ]", "the body is JSON", nil},
		"a string of JSON":    {`"m 1\n"`, "the body is a quoted string, as in JSON", []string{"Content-Type", "application/json"}},
		"an object of JS":     {"{m: 1}", "the body is JSON", []string{"Content-Type", "application/json"}},
		"a number of JSON":    {"42", "the body is JSON", []string{"Content-Type", "application/json"}},
		"an empty object":     {"{}", "the body is JSON", nil},
		"no JSON":             {"{\"m\",a=1} 1\n", "line 1: ", nil},
		"no JSON, brackets":   {"[INFO] m 1\n", "line 1: ", nil},
		"a dictionary":        {"{'m': 1}\n", "the body is a dictionary as Python prints it", nil},
		"no newline at all":   {"[('m', 1)]", "line 1: expected a metric name, found '['", nil},
		"headers":             {"Content-Type: text/plain\r\n\r\nm 1\n", "the body begins with HTTP headers", nil},
		"HTML":                {"<!DOCTYPE html>\n<html><body>Bad Gateway</body></html>\n", "the body is an HTML page", nil},
		"XML":                 {"<?xml version=\"1.0\"?>\n<m>1</m>\n", "the body is XML", nil},
		"YAML":                {"---\nm: 1\n", "the body is YAML", nil},
		"a line of YAML":      {"m 1\nname: value\n", "the line looks like YAML; put only a space between name and value (line 2: ", nil},
		"JSON without quotes": {"{m: 1, n: 2}", "the body looks like JSON from which a shell has removed the quotes", nil},
		"not so much":         {"{m:n} 1\n", "line 1: ", nil},
		"OpenTSDB":            {"put sys.cpu 1356998400 42.5 host=a cpu=0\n", "the line is in the format of OpenTSDB; write name{", nil},
		"Graphite":            {"servers.a.cpu 0.5 1520879607\n", "the line is in the format of Graphite; write name{", nil},
		"Graphite with tags":  {"disk.used;host=a 42 1520879607\n", "the line is in the format of Graphite; write name{", nil},
		"a name with dots":    {"servers.a.cpu 0.5\n", "line 1: the metric name ends after \"servers\"", nil},
		"a shell's error":     {"bash: foo: command not found\n", "the line looks like a message of a program", nil},
		"curl's error":        {"m 1\ncurl: (7) Failed to connect\n", "the line looks like a message of a program", nil},
		"a shell's variable":  {"export M=1\n", "the line sets a shell variable; write name{", nil},
		"InfluxDB, escaped":   {"cpu,host=a\\ b usage=0.5\n", "the line is in the line protocol of InfluxDB", nil},
		"StatsD, packed":      {"m:1:2:3|d\n", "the line is in the format of StatsD", nil},
		"InfluxDB":            {"weather,location=us temperature=82 1465839830100400200\n", "the line is in the line protocol of InfluxDB; write name{label=\"value\"} 42 (line 1: ", nil},
		"InfluxDB, plain":     {"m 1\nweather temperature=82i,sky=\"blue\"\n", "the line is in the line protocol of InfluxDB; write name{label=\"value\"} 42 (line 2: ", nil},
		"StatsD":              {"jobs.done:1|c\n", "the line is in the format of StatsD", nil},
		"CSV":                 {"name,value\nm,1\n", "the body looks like CSV", nil},

		"OpenMetrics, exemplar": {"m_total 1 # {trace=\"x\"} 1\n# EOF\n", "the body is OpenMetrics, but its Content-Type does not say so; send Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8 (line 1: found an exemplar", nil},
		"OpenMetrics, info":     {"# TYPE m info\nm_info{a=\"b\"} 1\n# EOF\n", "the body is OpenMetrics, but its Content-Type does not say so; send Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8 (line 1: unknown metric type \"info\"", nil},
		"OpenMetrics, stateset": {"# TYPE m stateset\nm{m=\"a\"} 1\n", "the body is OpenMetrics", nil},
		"OpenMetrics, unit":     {"# TYPE m_seconds gauge\n# UNIT m_seconds seconds\nm_seconds 1 1.5\n", "the body is OpenMetrics", nil},
		"OpenMetrics, no end":   {"m 1 1.5\n", "the Content-Type says OpenMetrics, but the body does not end with the line # EOF and is read as text; add that line (line 1: ", []string{"Content-Type", "application/openmetrics-text; version=1.0.0"}},
		"OpenMetrics, version":  {"m 1 1.5\n# EOF\n", "the Content-Type says a version of OpenMetrics that this gateway reads as text; send Content-Type: ", []string{"Content-Type", "application/openmetrics-text; version=2.0.0"}},
		"OpenMetrics, mistake":  {"m x\n# EOF\n", "line 1: expected a number", []string{"Content-Type", "application/openmetrics-text; version=1.0.0"}},

		"a mistake":            {"m x\n", "line 1: expected a number", []string{"Content-Type", "text/plain"}},
		"a mistake in a form":  {"m x\n", "line 1: expected a number", []string{"Content-Type", form}},
		"a mistake after some": {"m 1\nn 1\nm x\n", "line 3: expected a number", nil},
	} {
		t.Run(name, func(t *testing.T) { s.with(t).wantHint(c.body, c.says, c.header) })
	}
}

// wantHint pushes a body, alone and to several groups, and wants the refusal to
// begin with what is given. Nothing that a client sends may come through as it is.
func (s *server) wantHint(body, says string, header []string) {
	s.t.Helper()
	alone := s.do(http.MethodPost, "/metrics/job/a", body, header...)
	if alone.status != http.StatusBadRequest || !strings.HasPrefix(alone.body, says) || strings.ContainsFunc(strings.TrimSuffix(alone.body, "\n"), unicode.IsControl) || len(alone.body) > 1000 {
		s.t.Errorf("got %d %q, want %q", alone.status, alone.body, says)
	}
	if b := s.pushMany(http.StatusBadRequest, http.MethodPost, "?group_by=job", body, header...); b.Error+"\n" != alone.body {
		s.t.Errorf("to several groups: got %q, want %q", b.Error, alone.body)
	}
}

// packedAs compresses with a coding, or as zlib.
func packedAs(t testing.TB, coding, s string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w = must(zstd.NewWriter(&b))
	case "snappy":
		w = snappy.NewBufferedWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	default:
		t.Fatalf("no coding %q", coding)
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCodings reads what Content-Encoding says, in whichever case and number.
func TestCodings(t *testing.T) {
	s := start(t, "--push.max-body-bytes=1MiB")
	const good = "m{job=\"a\"} 1\n"
	twice := packedAs(t, "zstd", packedAs(t, "gzip", good))
	for _, c := range []struct {
		coding, body string
		status       int
		says         string
	}{
		{"GZIP", packedAs(t, "gzip", good), 200, ""},
		{"Gzip ", packedAs(t, "gzip", good), 200, ""},
		{"x-gzip", packedAs(t, "gzip", good), 200, ""},
		{"X-GZip", packedAs(t, "gzip", good), 200, ""},
		{"Zstd", packedAs(t, "zstd", good), 200, ""},
		{"SNAPPY", packedAs(t, "snappy", good), 200, ""},
		{"identity", good, 200, ""},
		{"identity, gzip,", packedAs(t, "gzip", good), 200, ""},
		{"gzip, zstd", twice, 200, ""},
		{"GZIP,zstd", twice, 200, ""},
		{"zstd, gzip", twice, 400, "the body is compressed with zstd"},
		{"gzip, gzip, gzip", packedAs(t, "gzip", packedAs(t, "gzip", packedAs(t, "gzip", good))), 200, ""},
		{"gzip, gzip, gzip, gzip", good, 400, "Content-Encoding lists 4 codings"},
		{"gzip", gzipped(t, 20<<20), 413, "--push.max-body-bytes"},
		{"gzip, gzip", packedAs(t, "gzip", gzipped(t, 20<<20)), 400, "compress the body once"},
		{"gzip, gzip", packedAs(t, "gzip", good), 400, "the body is not gzip, as its Content-Encoding says"},
		{"X-GZIP", good, 400, "the body is not gzip, as its Content-Encoding says"},
		{"br", good, 200, ""},
		{"utf-8", good, 200, ""},
		{"br, gzip", packedAs(t, "gzip", good), 200, ""},
		{"br", "\x0b\x02\x80m 1\n\x03", 400, `does not know the Content-Encoding "br"`},
		{"br", "\x8b\x01\x80m 1\n\x03", 400, `the gateway does not know the Content-Encoding "br"`},
		{"deflate", packedAs(t, "zlib", good)[2:], 400, `the gateway does not know the Content-Encoding "deflate"`},
		{"gzip, br", "\x0b\x02\x80m 1\n\x03", 400, `does not know the Content-Encoding "br"`},
		{"deflate", packedAs(t, "zlib", good), 400, `the gateway does not know the Content-Encoding "deflate"`},
		{"utf-8", packedAs(t, "gzip", good), 400, "the body is compressed with gzip; send the header Content-Encoding: gzip"},
		{"Deflate", packedAs(t, "zlib", "")[:5], 400, `does not know the Content-Encoding "Deflate"`},
		{"utf-8", "m x\n", 400, `does not know the Content-Encoding "utf-8"; use gzip, zstd or framed snappy, or none (line 1: expected a number`},
		{"\"\t" + strings.Repeat("x", 500), "m x\n", 400, `x…"; use gzip`},
	} {
		for _, path := range []string{"/metrics/job/a", "/api/v1/push?group_by=job"} {
			a := s.do(http.MethodPut, path, c.body, "Content-Encoding", c.coding)
			if a.status != c.status || !strings.Contains(unquoted(a.body), c.says) || len(a.body) > 1000 || a.status == 400 && (strings.Contains(a.body, "newline") || strings.Contains(a.body, "is binary") || strings.Contains(a.body, "zlib")) {
				t.Errorf("%s, %q: got %d %q, want %d %q", path, c.coding, a.status, a.body, c.status, c.says)
			}
		}
	}
	req := must(http.NewRequest(http.MethodPut, s.base+"/metrics/job/b", strings.NewReader(twice)))
	req.Header["Content-Encoding"] = []string{"gzip", "zstd"}
	if a := s.send(req); a.status != http.StatusOK {
		t.Errorf("in two lines: got %d %q", a.status, a.body)
	}
}

// TestUntold marks refused pushes that the state of no job tells of.
func TestUntold(t *testing.T) {
	s := start(t)
	untold := func(path string) bool {
		t.Helper()
		data := dataOf[struct {
			Refusals []struct {
				Path   string
				Untold bool
			}
		}](s, "/api/v1/refusals", nil)
		for _, r := range data.Refusals {
			if r.Path == path {
				return r.Untold
			}
		}
		t.Fatalf("no refusal of %s: %+v", path, data)
		return false
	}
	const path, other = "/metrics/job/a", "/metrics/job/b"
	s.push(path, "m 1\n", http.StatusOK)
	s.push(path, "m{", http.StatusBadRequest)
	s.push("/metric/job/a", "m 1\n", http.StatusNotFound)
	s.push("/metrics/job/never", "m{", http.StatusBadRequest)
	s.push(other, "# TYPE m counter\nm 1\n", http.StatusBadRequest)
	for path, want := range map[string]bool{path: true, "/metric/job/a": true, "/metrics/job/never": true, other: false} {
		if got := untold(path); got != want {
			t.Errorf("%s: %t, want %t", path, got, want)
		}
	}
	s.push(path, "m 2\n", http.StatusOK)
	if untold(path) {
		t.Error("a refusal before the last success counts")
	}
}
