package e2e

import (
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/prototext"
)

// anyAnswer is a push of which only the consequences matter.
func anyAnswer(path, text string) attackPush { return attackPush{path: path, text: text} }

// asProto makes each text a push of one family as protobuf.
func asProto(push func(...*dto.MetricFamily) attackPush, texts ...string) (pushes []attackPush) {
	for _, text := range texts {
		f := new(dto.MetricFamily)
		if err := prototext.Unmarshal([]byte(text), f); err != nil {
			panic(err)
		}
		pushes = append(pushes, push(f))
	}
	return pushes
}

// nameAttacks use names that mean something else once they are escaped, or
// that need care to be written at all.
func nameAttacks() []attack {
	return []attack{
		{"label that escapes to the name", []attackPush{
			named("/job/a", `{"m","..name__"="x"} 1`+"\n"), named("/job/b", `{"m",". name. "="x"} 1`+"\n"), named("/job/c", `{"m","-name-"="x"} 1`+"\n"),
			anyAnswer("/job/d/..name__/x", "m 1\n"), anyAnswer("/job/e/U___2e__2e_name_2e__2e_/x", "m 1\n"),
		}},
		{"label that escapes to a reserved one", []attackPush{named("/job/a", `{"m","..type__"="x","..unit.."="y","..address__"="z"} 1`+"\n"), named("/job/b", `{"m"," "="x","-"="y"} 1`+"\n")}},
		{"name in the other spelling", []attackPush{
			named("/job/a", "{\"a.b\"} 1\nU__a_2e_b 2\n{\"m\",\"a.b\"=\"1\",U__a_2e_b=\"2\"} 1\n"), named("/job/b", "a_dot_b 2\na__b 3\n{\"a-b\"} 1\n{\"a b\"} 2\n"),
		}},
		{"own lines when escaped", []attackPush{
			named("/job/a", "{\"go.gc_duration_seconds_sum\"} 1\n{\"pushgateway.http_push_size_bytes\"} 1\n"),
			named("/job/b", "# TYPE \"go.gc_duration\" histogram\n{\"go.gc_duration_count\"} 1\n# TYPE \"push.time\" histogram\n{\"push.time_sum\"} 1\n"),
		}},
		{"counters with and without _total", []attackPush{
			taken("/job/a", "# TYPE a counter\na 1\n# TYPE a_total gauge\na_total 1\n"), taken("/job/b", "# TYPE b counter\nb 1\n# TYPE b_total counter\nb_total 1\n"),
			taken("/job/c", "# TYPE c_total counter\nc_total 1\n# TYPE c gauge\nc 2\n"), taken("/job/d", "# TYPE _total counter\n_total 1\n"),
			taken("/job/e", "# TYPE g gaugehistogram\ng_sum 1\n"), taken("/job/f", "g_gcount 1\ng_gsum 1\n"),
		}},
		{"names that must be quoted", []attackPush{
			named("/job/a", "# HELP \"a\\nb\" x\\ny\n# TYPE \"a\\nb\" counter\n{\"a\\nb\"} 1\n"), named("/job/b", "{\"\\\\\"} 1\n{\"{}\"} 2\n{\"# TYPE x counter\"} 3\n{\" \"} 1\n{\"1\"} 4\n{\"\ufeff\"} 5\n"),
			named("/job/c", "{\"m\",\"=\"=\"3\",\"\\\"\"=\"4\",\"\\\\\"=\"5\",\"{\"=\"}\"} 1\n"),
		}},
		{"grouping labels that are equal when escaped", []attackPush{
			anyAnswer("/job/a/a.b/1", "m{a_b=\"2\"} 1\n{\"m\",\"a b\"=\"2\"} 1\n"), anyAnswer("/job/a/a_b/1", "m 1\n"), anyAnswer("/job/a/a.b/1/a-b/2/a%20b/3", "m 1\n"),
			anyAnswer("/job/a/%22/1", "m 1\n"), anyAnswer("/job/a/U___d800_/1", "m 1\n"), anyAnswer("/job/a/U___0_/1", "m 1\n"), anyAnswer("/job/a/U__le/1", "# TYPE h histogram\nh_sum 1\n"),
		}},
		{"awkward values of grouping labels", []attackPush{taken("/job/a%00b", "m 1\n"), taken("/job/a%0Ab", "m 1\n"), taken("/job/%22", "m 1\n"), taken("/job/%5C", "m 1\n"), taken("/job/a/job/b", "m 1\n")}},
		{"the innocent group's name", []attackPush{
			contradicts("/job/a", "# TYPE good counter\ngood 1\n"), contradicts("/job/b", "# TYPE good histogram\ngood_count 1\n"), named("/job/c", "{\"go.od\"} 1\ngo_od 3\n"),
		}},
		{"twins that failed", []attackPush{contradicts("/job/a", "m 1 1\n"), contradicts("/job/a/instance@base64/=", "m 1 1\n"), anyAnswer("/job/a/instance@base64/=", "n 1\n"), anyAnswer("/job/a", "m 1\n")}},
	}
}

// histogramAttacks bend native histograms, and numbers in classic ones.
func histogramAttacks() []attack {
	histogram := func(fields ...string) (texts []string) {
		for _, f := range fields {
			texts = append(texts, `name:"h" type:HISTOGRAM metric{histogram{`+f+`}}`)
		}
		return texts
	}
	return []attack{
		{"odd buckets", asProto(takenProto, histogram(
			``, `bucket{}`, `sample_count:18446744073709551615`, `sample_count_float:-1`, `sample_count_float:inf sample_sum:-inf`,
			`bucket{upper_bound:nan cumulative_count:1} bucket{upper_bound:nan cumulative_count:2}`, `bucket{upper_bound:-inf}`,
			`bucket{upper_bound:1 cumulative_count_float:-3.5}`, `sample_count_float:nan bucket{upper_bound:1 cumulative_count_float:nan}`,
			`sample_count:5 bucket{upper_bound:2 cumulative_count:9} bucket{upper_bound:1 cumulative_count:10}`,
		)...)},
		{"numbers that do not fit", asProto(refusedProto, histogram(
			`schema:100 zero_threshold:1`, `schema:-100 zero_threshold:1`, `zero_count_float:-1 sample_count_float:3 zero_threshold:1`,
			`positive_span{offset:-2147483648 length:1} positive_span{offset:-5 length:1} positive_delta:1 positive_delta:0 sample_count:2`,
			`positive_span{length:4294967295} positive_span{length:4294967295} positive_span{length:3} positive_delta:1 sample_count:1`,
			`positive_span{length:2} positive_delta:9223372036854775807 positive_delta:9223372036854775807 sample_count:1`,
			`positive_span{length:1} positive_count:-1 sample_count_float:1`, `positive_span{length:1} positive_count:1 positive_delta:1 sample_count:1`,
			`positive_span{length:1} sample_count:5`, `positive_delta:1 sample_count:1 zero_threshold:0.1`,
			`positive_delta:1 sample_count:1`, `negative_delta:1 sample_count:1`, `positive_count:1 sample_count_float:1`, `negative_count:1`,
		)...)},
		{"numbers that hardly fit", asProto(anyProto, histogram(
			`schema:3`, `schema:-53 zero_threshold:1`, `schema:-53 positive_span{length:1} positive_delta:1 sample_count:1`,
			`zero_threshold:nan zero_count:1 sample_count:1`, `zero_threshold:-1 zero_count:1 sample_count:1`, `zero_threshold:inf zero_count:1 sample_count:1`,
			`positive_span{offset:2147483647 length:1} positive_span{offset:2147483647 length:1} positive_delta:1 positive_delta:0 sample_count:2`,
			`positive_span{offset:-2147483648 length:2} positive_delta:1 positive_delta:0 sample_count:2`, `positive_span{length:0} positive_span{length:0} zero_threshold:1`,
			`positive_span{length:1} positive_delta:9223372036854775807 sample_count:9223372036854775807`, `positive_span{length:1} positive_count:nan sample_count_float:nan`,
			`positive_span{length:1} positive_count:inf sample_count_float:inf`, `positive_span{length:1} positive_count:1 sample_count:1`,
			`positive_span{length:1} positive_delta:1 sample_count:1 sample_count_float:1`, `positive_span{length:1} positive_delta:1 sample_count:5 sample_sum:nan`,
			`zero_count:1`, `zero_count_float:1`, `sample_count_float:5 zero_count:1 zero_threshold:1`,
			`schema:8 positive_span{length:1} positive_delta:1 sample_count:1 bucket{upper_bound:nan cumulative_count:1}`,
		)...)},
	}
}

func anyProto(families ...*dto.MetricFamily) attackPush {
	return attackPush{path: "/job/p", families: families}
}

// oddProtobuf has what no client writes.
func oddProtobuf() []attack {
	exemplar := func(fields string) string {
		return `name:"c" type:COUNTER metric{counter{value:1 exemplar{` + fields + `}}}`
	}
	return []attack{
		{"odd exemplars", asProto(anyProto,
			exemplar(`label{name:"a" value:"x"} label{name:"a" value:"y"} value:1`), exemplar(`label{name:"a.b" value:"x"} label{name:"a_b" value:"y"} label{name:"..name__" value:"z"} value:1`),
			exemplar(`label{name:"a b\n" value:"x\n\""} value:nan timestamp{seconds:9223372036854775807 nanos:-5}`), exemplar(`value:inf timestamp{seconds:-9223372036854775808 nanos:2147483647}`),
			exemplar(`label{name:"a" value:"`+strings.Repeat("x", 127)+`"} value:1`), exemplar(`label{name:"a" value:"`+strings.Repeat("ü", 128)+`"} value:1`),
			`name:"h" type:HISTOGRAM metric{histogram{schema:3 sample_count:1 positive_span{length:1} positive_delta:1 exemplars{value:1} exemplars{value:2 timestamp{seconds:9223372036854775807 nanos:-1}}}}`,
			`name:"h" type:HISTOGRAM metric{histogram{sample_count:1 bucket{upper_bound:1 cumulative_count:1 exemplar{label{name:"a" value:"x\n"} value:-inf timestamp{seconds:1 nanos:999999999}}}}}`,
		)},
		{"exemplars with a NUL", asProto(anyProto, exemplar(`label{name:"a" value:"\000"} value:1`), exemplar(`label{name:"a" value:"x\000y"} label{name:"b" value:"z"} value:1`))},
		{"exemplars without a name", asProto(refusedProto, exemplar(`label{name:"" value:"x"} value:1`), exemplar(`label{name:"__name__" value:"x"} value:1`))},
		{"odd times of creation", asProto(takenProto,
			`name:"c" type:COUNTER metric{counter{value:1 created_timestamp{seconds:9223372036854775807 nanos:-5}}}`,
			`name:"s" type:SUMMARY metric{summary{sample_count:1 created_timestamp{seconds:-62135596801 nanos:2147483647}}}`,
		)},
		{"counters that are none", asProto(takenProto, `name:"c" type:COUNTER metric{counter{value:nan}} metric{label{name:"a" value:"1"} counter{value:-inf}} metric{label{name:"a" value:"2"} counter{}}`)},
		{"units", asProto(takenProto, `name:"c_seconds" unit:"seconds" type:GAUGE metric{gauge{value:1}}`, `name:"c" unit:"\n# TYPE x counter" type:GAUGE metric{gauge{value:1}}`)},
		{"several values", asProto(takenProto, `name:"c" type:GAUGE metric{gauge{value:1} counter{value:2} untyped{value:3} histogram{sample_count:1} summary{sample_count:3}}`)},
		{"control characters", asProto(takenProto, `name:"m\r\n\x1b" help:"\r\x00\x1b\n" type:COUNTER metric{label{name:"a\rb" value:"x\ry\x00z\x7f"} counter{value:1}}`)},
		{"pushed times without series", asProto(takenProto, `name:"push_failure_time_seconds" type:GAUGE`, `name:"push_time_seconds" type:SUMMARY metric{summary{}}`)},
	}
}
