package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	seriesPerGroup   = 100 // lines of text that carry a value
	familiesPerGroup = 9
	clients          = 16

	// variants is the number of bodies that are pushed in turn. They are few,
	// so that a load of a million series does not measure how the cache of
	// the generator copes, and a prime, so that a group gets another one each
	// time.
	variants = 61
)

// load is the reference load: which group is pushed when, and with what. It
// is not changed after newLoad, so all clients share it.
type load struct {
	groups int
	each   int // series of a group
	bodies []string
	// contentType is that of the bodies, if they are not text.
	contentType string
	// export means that the bodies are metrics in the OpenTelemetry protocol,
	// without the resource, which names the group.
	export bool
	// ttl gives the time to live that the nth push asks for, if it is set.
	ttl func(n int) time.Duration
	// path appends the path of a push to a group, if it is not that of a gateway.
	path func(to []byte, group int) []byte
	// sums makes pushes add to their groups instead of replacing them.
	sums bool
	// jobs are the jobs that push in turn, if there are several. With own, each
	// group has labels of its own.
	jobs []userJob
	own  bool
}

// newSmallLoad has groups of a single series each.
func newSmallLoad(groups int) *load {
	l := &load{groups: groups, each: 1}
	for i := range variants {
		l.bodies = append(l.bodies, fmt.Sprintf("# TYPE etl_success_timestamp_seconds gauge\netl_success_timestamp_seconds %d\n", 1_760_000_000+i))
	}
	return l
}

func newLoad(series int) *load {
	l := &load{groups: series / seriesPerGroup, each: seriesPerGroup}
	for i := range variants {
		l.bodies = append(l.bodies, renderBody(rand.New(rand.NewPCG(1, uint64(i)))))
	}
	return l
}

// newDifferentLoad has groups whose bodies are all different. There is one body
// more, so that the next push to a group has another body than the one before.
func newDifferentLoad(series int) *load {
	l := newLoad(series)
	for i := variants; i <= l.groups; i++ {
		l.bodies = append(l.bodies, renderBody(rand.New(rand.NewPCG(1, uint64(i)))))
	}
	return l
}

func (l *load) series() int { return l.groups * l.each }

// body is that of the nth push.
func (l *load) body(n int) string {
	if l.export {
		return exported(n%l.groups, l.bodies[n%len(l.bodies)])
	}
	if l.jobs != nil {
		return l.userBody(n)
	}
	return l.bodies[n%len(l.bodies)]
}

func (l *load) method() string {
	if l.export || l.sums || l.path != nil {
		return http.MethodPost
	}
	return http.MethodPut
}

// appendPath appends the path of the nth push: n cycles over the groups.
func (l *load) appendPath(to []byte, n int) []byte {
	if l.export {
		return append(to, "/v1/metrics"...)
	}
	if l.path != nil {
		return l.path(to, n%l.groups)
	}
	if l.jobs != nil {
		return l.appendUserPath(to, n)
	}
	to = strconv.AppendInt(append(to, "/metrics/job/bench/instance/i-"...), int64(n%l.groups), 10)
	if l.sums {
		to = append(to, "?merge=sum"...)
	}
	return to
}

const contentType = "text/plain; version=0.0.4"

// media returns the Content-Type of the bodies.
func (l *load) media() string { return cmp.Or(l.contentType, contentType) }

// appendPush appends the request of the nth push.
func (l *load) appendPush(to []byte, n int) []byte {
	body := l.body(n)
	to = l.appendPath(append(to, l.method()+" "...), n)
	to = append(to, " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "+l.media()+"\r\nContent-Length: "...)
	to = strconv.AppendInt(to, int64(len(body)), 10)
	if l.ttl != nil {
		to = append(to, "\r\nX-Pushgateway-TTL: "...)
		to = append(to, l.ttl(n).String()...)
	}
	to = append(to, "\r\n\r\n"...)
	return append(to, body...)
}

// family is one of the families that have a series per stage and shard.
type family struct {
	name, kind, help string
	series           int
	value            func(*rand.Rand) string
}

// families are what a job that copies records in stages would push: mostly
// small numbers, many of them zero, some with a fraction.
var families = []family{
	{"etl_records_read_total", "counter", "Records read.", 11, count(100_000)},
	{"etl_records_written_total", "counter", "Records written.", 11, count(100_000)},
	{"etl_records_rejected_total", "counter", "Records that were invalid.", 11, count(3)},
	{"etl_retries_total", "counter", "Attempts after a failed one.", 11, count(4)},
	{"etl_queue_length_records", "gauge", "Records left waiting.", 11, count(10)},
	{"etl_stage_duration_seconds", "gauge", "Time that the stage took.", 11, fraction},
	{"etl_stage_memory_peak_bytes", "gauge", "Most memory it has had.", 11, mebibytes},
	{"etl_stage_success_timestamp_seconds", "gauge", "When it last ended well.", 10, timestamp},
}

func count(below int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return strconv.Itoa(r.IntN(below)) }
}

func fraction(r *rand.Rand) string {
	return strconv.FormatFloat(float64(r.IntN(10_000))/100, 'g', -1, 64)
}
func mebibytes(r *rand.Rand) string { return strconv.Itoa((16 + r.IntN(64)) << 20) }
func timestamp(r *rand.Rand) string { return strconv.Itoa(1_760_000_000 + r.IntN(1000)) }

var stages = []string{"extract", "transform", "load"}

// renderBody renders what one push carries: families, and a histogram that
// makes up the hundred lines.
func renderBody(r *rand.Rand) string {
	return renderLabelled(r, `stage="load"`, func(i int) string {
		return fmt.Sprintf("stage=%q,shard=\"%02d\"", stages[i%len(stages)], i/len(stages))
	})
}

// renderLabelled is renderBody with other labels for the histogram, and for the
// ith series of the other families.
func renderLabelled(r *rand.Rand, histogram string, labels func(i int) string) string {
	var b strings.Builder
	for _, f := range families {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		for i := range f.series {
			fmt.Fprintf(&b, "%s{%s} %s\n", f.name, labels(i), f.value(r))
		}
	}
	renderHistogram(&b, r, histogram)
	return b.String()
}

var bounds = []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"}

func renderHistogram(b *strings.Builder, r *rand.Rand, labels string) {
	const name = "etl_batch_duration_seconds"
	fmt.Fprintf(b, "# HELP %s Time that a batch took.\n# TYPE %s histogram\n", name, name)
	sum := 0
	for _, le := range bounds {
		sum += r.IntN(50)
		fmt.Fprintf(b, "%s_bucket{%s,le=%q} %d\n", name, labels, le, sum)
	}
	fmt.Fprintf(b, "%s_sum{%s} %s\n", name, labels, fraction(r))
	fmt.Fprintf(b, "%s_count{%s} %d\n", name, labels, sum)
}

// meanSize is the mean size of a body, in bytes.
func (l *load) meanSize() float64 {
	n := 0
	for _, b := range l.bodies {
		n += len(b)
	}
	return float64(n) / float64(len(l.bodies))
}
