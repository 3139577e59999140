package gobfile_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// epoch is some time of a push.
var epoch = time.Date(2026, 11, 22, 17, 20, 44, 870041445, time.UTC)

// group is one with these labels and no families, not even its times.
func group(labels ...string) mirrorGroup {
	g := mirrorGroup{Labels: make(map[string]string), Metrics: make(map[string]mirrorEntry)}
	for i := 0; i < len(labels); i += 2 {
		g.Labels[labels[i]] = labels[i+1]
	}
	return g
}

func (g mirrorGroup) with(families ...*dto.MetricFamily) mirrorGroup {
	for _, f := range families {
		g.put(f, epoch)
	}
	return g
}

func (g mirrorGroup) put(f *dto.MetricFamily, at time.Time) mirrorGroup {
	g.Metrics[f.GetName()] = mirrorEntry{at, (*mirrorFamily)(f)}
	return g
}

func family(name string, t dto.MetricType, series ...*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Type: &t, Metric: series}
}

func gauge(name string, value float64, labels ...string) *dto.MetricFamily {
	return family(name, dto.MetricType_GAUGE, gaugeSeries(value, labels...))
}

func gaugeSeries(value float64, labels ...string) *dto.Metric {
	m := &dto.Metric{Gauge: &dto.Gauge{Value: &value}}
	for i := 0; i < len(labels); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	return m
}

func timed(f *dto.MetricFamily) *dto.MetricFamily {
	f.Metric[0].TimestampMs = proto.Int64(1)
	return f
}

// onlyGroup reads the file of one group.
func onlyGroup(t testing.TB, key string, g mirrorGroup) (*gateway.Group, *gobfile.File) {
	t.Helper()
	f := read(t, mirror{key: g}.encode(t))
	if len(f.Groups) != 1 {
		t.Fatalf("got %d groups, %v", len(f.Groups), f.Problems)
	}
	return f.Groups[0], f
}

// TestFamiliesLeftOut puts one family beside a good one.
func TestFamiliesLeftOut(t *testing.T) {
	native := &dto.Metric{Histogram: &dto.Histogram{SampleCount: proto.Uint64(3), PositiveSpan: []*dto.BucketSpan{{Length: proto.Uint32(2)}}}}
	for _, c := range []struct {
		name   string
		family *dto.MetricFamily
		want   string
	}{
		{"no name", gauge("", 1), "no name"},
		{"a NUL", gauge("a\x00b", 1), "NUL"},
		{"a type that does not exist", family("x", 77, gaugeSeries(1)), "type number 77"},
		{"a value of another type", family("x", dto.MetricType_COUNTER, gaugeSeries(1)), "no value of type counter"},
		{"a broken native histogram", family("x", dto.MetricType_HISTOGRAM, native), "native histogram is inconsistent"},
		{"a label le", family("x", dto.MetricType_HISTOGRAM, &dto.Metric{Label: gaugeSeries(1, "le", "1").Label, Histogram: &dto.Histogram{}}), `label "le"`},
		{"a label quantile", family("x", dto.MetricType_SUMMARY, &dto.Metric{Label: gaugeSeries(1, "quantile", "1").Label, Summary: &dto.Summary{}}), `label "quantile"`},
		{"a reserved label", gauge("x", 1, "__name__", "y"), "reserved"},
		{"a label twice", gauge("x", 1, "l", "1", "l", "2"), "twice"},
		{"a label without a name", gauge("x", 1, "", "1"), "no name"},
		{"a timestamp", timed(gauge("x", 1)), "timestamps"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, f := onlyGroup(t, "job\xffa", group("job", "a").with(gauge("good", 1), c.family))
			if len(g.Families) != 1 || g.Find("good") == nil {
				t.Errorf("got %d families", len(g.Families))
			}
			wantProblem(t, f, "job\xffa", c.family.GetName(), c.want)
		})
	}
}

func wantProblem(t *testing.T, f *gobfile.File, key, family, want string) {
	t.Helper()
	if len(f.Problems) != 1 {
		t.Fatalf("got %d problems: %v", len(f.Problems), f.Problems)
	}
	p := f.Problems[0]
	if string(p.Key) != key || p.Family != family || !strings.Contains(p.Err.Error(), want) {
		t.Errorf("got %q, %q, %q; want %q", p.Key, p.Family, p.Err, want)
	}
}

func TestDuplicateSeriesAreLeftOut(t *testing.T) {
	x := family("x", dto.MetricType_GAUGE, gaugeSeries(1, "l", "1"), gaugeSeries(2), gaugeSeries(3, "l", "1"), gaugeSeries(4))
	g, f := onlyGroup(t, "job\xffa", group("job", "a").with(x))
	if got := string(g.Find("x").Text()); got != "x{instance=\"\",job=\"a\",l=\"1\"} 1\nx{instance=\"\",job=\"a\"} 2\n" {
		t.Errorf("got %s", got)
	}
	wantProblem(t, f, "job\xffa", "x", "2 of its series")
}

// TestSeriesThatEndPrometheus reads a label value that Prometheus 3 cannot.
func TestSeriesThatEndPrometheus(t *testing.T) {
	x := family("x", dto.MetricType_GAUGE, gaugeSeries(1, "l", strings.Repeat("y", 1<<24)), gaugeSeries(2, "l", strings.Repeat("y", 2<<20)))
	g, f := onlyGroup(t, "job\xffa", group("job", "a").with(x))
	if b := g.Find("x"); b == nil || b.Series() != 1 || g.TooLong != 1 {
		t.Errorf("got %d series, and %d left out", g.Series, g.TooLong)
	}
	wantProblem(t, f, "job\xffa", "x", "1 of its series would crash a Prometheus")
}

func TestFamilyUnderAnotherName(t *testing.T) {
	m := group("job", "a").with(gauge("x", 1))
	m.Metrics["y"] = m.Metrics["x"]
	g, f := onlyGroup(t, "job\xffa", m)
	if g.Find("x") == nil || g.Find("y") != nil {
		t.Error("the right one is not the only one")
	}
	wantProblem(t, f, "job\xffa", "y", `family "x": it is listed as "y"`)
}

// TestFamilyNil has an entry without a family.
func TestFamilyNil(t *testing.T) {
	m := group("job", "a")
	m.Metrics["x"] = mirrorEntry{Timestamp: epoch}
	_, f := onlyGroup(t, "job\xffa", m)
	wantProblem(t, f, "job\xffa", "x", `it is listed as "x"`)
}

// TestHelpIsRepaired has no problem: a help text is not worth a family.
func TestHelpIsRepaired(t *testing.T) {
	// What follows is a family with the help text "a\xffb".
	raw := rawFamily("\x0a\x01x\x12\x03a\xffb\x18\x01\x22\x0b\x12\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x3f")
	f := read(t, encode(t, map[string]rawGroup{"job\xffa": {map[string]string{"job": "a"}, map[string]rawEntry{"x": {epoch, &raw}}}}))
	if len(f.Problems) > 0 || len(f.Groups) != 1 {
		t.Fatal(f.Problems)
	}
	if x := f.Groups[0].Find("x"); x.Help != "a\uFFFDb" || string(x.Text()) != "x{instance=\"\",job=\"a\"} 1\n" {
		t.Errorf("got %q, %q", x.Help, x.Text())
	}
}

// rawGroup has families as bytes.
type rawGroup struct {
	Labels  map[string]string
	Metrics map[string]rawEntry
}

type rawEntry struct {
	Timestamp            time.Time
	GobbableMetricFamily *rawFamily
}

type rawFamily string

func (f *rawFamily) GobEncode() ([]byte, error) { return []byte(*f), nil }

// TestBrokenProtobuf is damage: 1.11 would not read such a file either.
func TestBrokenProtobuf(t *testing.T) {
	raw := rawFamily("\x0a\x05x")
	b := encode(t, map[string]rawGroup{"job\xffa": {map[string]string{"job": "a"}, map[string]rawEntry{"x": {epoch, &raw}}}})
	_, err := gobfile.Read(bytes.NewReader(b))
	if !errors.Is(err, gobfile.ErrDamaged) || !strings.Contains(err.Error(), `group {job="a"}: family "x"`) {
		t.Errorf("got %v", err)
	}
}

func TestGroupsLeftOut(t *testing.T) {
	for _, c := range []struct {
		name, key string
		labels    []string
		want      string
	}{
		{"other labels", "job\xffa", []string{"job", "b"}, "its labels differ from its key"},
		{"more labels", "job\xffa", []string{"job", "a", "l", "1"}, "its labels differ from its key"},
		{"another order", "job\xffa\xffb\xff1", []string{"job", "a", "b", "1"}, "its labels differ from its key"},
		{"no labels", "job\xffa", nil, "no job"},
		{"no key", "", []string{"job", "a"}, "its labels differ from its key"},
		{"no job", "l\xff1", []string{"l", "1"}, "no job"},
		{"an empty job", "job\xff", []string{"job", ""}, "no job"},
		{"a value that is not UTF-8", "job\xffa\xfe", []string{"job", "a\xfe"}, "it is not text"},
		{"a name that is not UTF-8", "job\xffa\xff\xfe\xff1", []string{"job", "a", "\xfe", "1"}, "it is not text"},
		{"a separator", "job\xffa\xffl\xff1", []string{"job", "a\xffl\xff1"}, "it is not text"},
		{"an empty name", "\xff1\xffjob\xffa", []string{"job", "a", "", "1"}, "it is not text"},
		{"a reserved name", "__x\xff1\xffjob\xffa", []string{"job", "a", "__x", "1"}, "reserved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := read(t, mirror{
				c.key:         group(c.labels...).with(gauge("x", 1)),
				"job\xffgood": group("job", "good").with(gauge("x", 1)),
			}.encode(t))
			if len(f.Groups) != 1 || f.Groups[0].Key != "job\xffgood" {
				t.Errorf("got %d groups", len(f.Groups))
			}
			wantProblem(t, f, c.key, "", c.want)
		})
	}
}

func TestGroupTwice(t *testing.T) {
	b := mirror{"job\xffa": group("job", "a"), "job\xffb": group("job", "b")}.encode(t)
	b = bytes.ReplaceAll(b, []byte("\x05job\xffb"), []byte("\x05job\xffa"))
	b = bytes.ReplaceAll(b, []byte("\x03job\x01b"), []byte("\x03job\x01a"))
	f := read(t, b)
	if len(f.Groups) != 1 {
		t.Errorf("got %d groups", len(f.Groups))
	}
	wantProblem(t, f, "job\xffa", "", "twice")
}

func TestFamilyTwice(t *testing.T) {
	b := mirror{"job\xffa": group("job", "a").with(gauge("xx", 1), gauge("yy", 1))}.encode(t)
	f := read(t, bytes.ReplaceAll(b, []byte("yy"), []byte("xx")))
	if g := f.Groups[0]; len(g.Families) != 1 || g.Find("xx") == nil {
		t.Errorf("got %d families", len(g.Families))
	}
	wantProblem(t, f, "job\xffa", "xx", "twice")
}

func TestProblemsAreBounded(t *testing.T) {
	m := make(mirror)
	const listed, more = 10_000, 7
	for i := range listed + more {
		m[fmt.Sprint("l\xff", i)] = group("l", fmt.Sprint(i))
	}
	f := read(t, m.encode(t))
	if len(f.Problems) != listed || f.Unlisted != more {
		t.Errorf("got %d and %d", len(f.Problems), f.Unlisted)
	}
}

func TestTimes(t *testing.T) {
	exact := float64(epoch.UnixNano()) / 1e9
	for _, c := range []struct {
		name    string
		value   float64
		stamp   time.Time
		want    time.Time
		problem string
	}{
		{name: "exact", value: exact, stamp: epoch, want: epoch},
		{name: "never", value: 0, stamp: epoch},
		{name: "another time", value: 1.5e9, stamp: epoch, want: time.Unix(15e8, 0)},
		{name: "no stamp", value: 1.5e9, want: time.Unix(15e8, 0)},
		{name: "a stamp beyond all", value: 1.5e9, stamp: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), want: time.Unix(15e8, 0)},
		{name: "less than a nanosecond", value: 1e-12, stamp: epoch},
		{name: "before 1970", value: -1.5, want: time.Unix(-2, 5e8)},
		{name: "NaN", value: math.NaN(), stamp: epoch, problem: "is not a time"},
		{name: "Inf", value: math.Inf(+1), stamp: epoch, problem: "is not a time"},
		{name: "far away", value: 1e300, stamp: epoch, problem: "is not a time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{metric.PushTime, metric.PushFailureTime} {
				g, f := onlyGroup(t, "job\xffa", group("job", "a").put(gauge(name, c.value), c.stamp))
				got, other := g.Pushed, g.Failed
				if name == metric.PushFailureTime {
					got, other = other, got
				}
				if !got.Equal(c.want) || !other.IsZero() || len(g.Families) > 0 {
					t.Errorf("got %v and %v, want %v", got, other, c.want)
				}
				if c.problem != "" {
					wantProblem(t, f, "job\xffa", name, c.problem)
				}
			}
		})
	}
}

func TestTimeFamilyOfAnotherKind(t *testing.T) {
	for _, f := range []*dto.MetricFamily{
		family(metric.PushTime, dto.MetricType_GAUGE),
		family(metric.PushTime, dto.MetricType_GAUGE, &dto.Metric{}),
		family(metric.PushTime, dto.MetricType_COUNTER, gaugeSeries(1)),
		family(metric.PushTime, dto.MetricType_GAUGE, gaugeSeries(1), gaugeSeries(1, "l", "1")),
	} {
		g, file := onlyGroup(t, "job\xffa", group("job", "a").with(f))
		if !g.Pushed.IsZero() {
			t.Errorf("got %v", g.Pushed)
		}
		wantProblem(t, file, "job\xffa", metric.PushTime, "not a gauge with one series")
	}
}

func TestFamilyOfUnknownTime(t *testing.T) {
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	g, f := onlyGroup(t, "job\xffa", group("job", "a").put(gauge("x", 1), far).put(gauge("y", 1), time.Time{}))
	if !g.Find("x").Pushed.IsZero() || !g.Find("y").Pushed.IsZero() {
		t.Errorf("got %v", g.Find("x").Pushed)
	}
	wantProblem(t, f, "job\xffa", "x", "out of range")
}

// TestValuesOfTimes wants times back from their values alone, so that what a
// scrape shows stays the same to the last bit.
func TestValuesOfTimes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		nanos := epoch.UnixNano() + rng.Int64N(1e17) - 5e16
		value := float64(nanos) / 1e9
		g, _ := onlyGroup(t, "job\xffa", group("job", "a").put(gauge(metric.PushTime, value), time.Time{}))
		if got := float64(g.Pushed.UnixNano()) / 1e9; got != value {
			t.Fatalf("value %v became %v", value, got)
		}
	}
}

func TestRevisions(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	seconds := func(s int) float64 { return float64(at(s).UnixNano()) / 1e9 }
	f := read(t, mirror{
		"job\xffa": group("job", "a").put(gauge("x", 1), at(3)).put(gauge("w", 1), at(3)).
			put(gauge(metric.PushTime, seconds(3)), at(3)),
		"job\xffb": group("job", "b").put(gauge("x", 1), at(1)).put(gauge("z", 1), at(3)).
			put(gauge(metric.PushTime, seconds(3)), at(3)),
		"job\xffc": group("job", "c").put(gauge(metric.PushFailureTime, seconds(2)), at(2)).
			put(gauge(metric.PushTime, 0), at(2)),
		"job\xffd": group("job", "d"),
	}.encode(t))
	var got []string
	for _, g := range f.Groups {
		got = append(got, g.Key.String(), fmt.Sprint("since ", g.Since), fmt.Sprint("last ", g.Revision))
		for _, h := range g.Families {
			got = append(got, fmt.Sprint(h.Name, " ", h.Claim))
		}
	}
	want := `{job="a"}, since 5, last 7, w 6, x 7, {job="b"}, since 2, last 8, x 3, z 8, {job="c"}, since 4, last 4, {job="d"}, since 1, last 1`
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// TestOlderFamilyIsExposed has two families that contradict each other, which
// 1.11 without its check stores.
func TestOlderFamilyIsExposed(t *testing.T) {
	counter := family("x", dto.MetricType_COUNTER, &dto.Metric{Counter: &dto.Counter{Value: proto.Float64(2)}})
	f := read(t, mirror{
		"job\xffa": group("job", "a").put(gauge("x", 1), epoch.Add(time.Second)),
		"job\xffb": group("job", "b").put(counter, epoch),
	}.encode(t))
	scrape := get(t, serve(t, f.Groups), "/metrics", "")
	if !strings.HasPrefix(strings.SplitAfterN(scrape, "\n# TYPE x ", 2)[1], "counter\nx{instance=\"\",job=\"b\"} 2\n") || strings.Contains(scrape, "\nx{instance=\"\",job=\"a\"}") {
		t.Errorf("got\n%s", scrape)
	}
}

// TestWriteAndRead wants groups back as they were, with exact times.
func TestWriteAndRead(t *testing.T) {
	for seed := range uint64(200) {
		groups := randomGroups(t, rand.New(rand.NewPCG(seed, 0)))
		first := read(t, write(t, groups))
		if len(first.Problems) > 0 || len(first.Groups) != len(groups) {
			t.Fatalf("seed %d: %d groups of %d, %v", seed, len(first.Groups), len(groups), first.Problems)
		}
		for i, g := range groups {
			g.Since, g.Revision = first.Groups[i].Since, first.Groups[i].Revision
			for j := range g.Families {
				g.Families[j].Claim = first.Groups[i].Families[j].Claim
			}
		}
		if what := sameGroups(groups, first.Groups); what != "" {
			t.Fatalf("seed %d: another %s", seed, what)
		}
		if what := sameGroups(first.Groups, read(t, write(t, first.Groups)).Groups); what != "" {
			t.Fatalf("seed %d, again: another %s", seed, what)
		}
	}
}

// randomGroups gives some groups, sorted by key.
func randomGroups(t testing.TB, rng *rand.Rand) (groups []*gateway.Group) {
	t.Helper()
	at := func() time.Time {
		if rng.IntN(4) == 0 {
			return time.Time{}
		}
		return epoch.Add(time.Duration(rng.Int64N(1e15)))
	}
	for i := range rng.IntN(5) {
		key, err := grouping.NewKey(fmt.Sprint("job", i), metric.Label{Name: "l.é", Value: fmt.Sprint(rng.IntN(3))})
		if err != nil {
			t.Fatal(err)
		}
		g := gateway.Group{Key: key, Pushed: at(), Failed: at()}
		for n := range rng.IntN(4) {
			g.Families = append(g.Families, gateway.Held{Block: randomBlock(t, rng, key, fmt.Sprint("family", n)), Pushed: at(), Took: rng.IntN(3) == 0})
		}
		groups = append(groups, gateway.Restore(g))
	}
	return groups
}

func randomBlock(t testing.TB, rng *rand.Rand, key grouping.Key, name string) *exposition.Block {
	t.Helper()
	values := []float64{0, 1, -1e-300, math.NaN(), math.Inf(-1), rng.Float64()}
	value := func() float64 { return values[rng.IntN(len(values))] }
	f := &metric.Family{Name: name, Help: []string{"", "What\nit \\ is."}[rng.IntN(2)], EmptyHelp: rng.IntN(2) == 0, Type: metric.Type(rng.IntN(6))}
	for i := range rng.IntN(4) {
		f.Series = append(f.Series, metric.Series{
			Labels:  []metric.Label{{Name: "n", Value: fmt.Sprint(i)}, {Name: "some.\nname", Value: "\"é\""}},
			Value:   value(),
			Summary: &metric.Quantiles{Count: rng.Uint64(), Sum: value(), Quantiles: []metric.Quantile{{Quantile: 0.5, Value: value()}}},
			Histogram: &metric.Buckets{
				Count: metric.Count{Int: rng.Uint64()}, Sum: value(),
				Classic: []metric.Bucket{{UpperBound: 1, Count: metric.Count{Float: 0.5}}, {UpperBound: 2, Count: metric.Count{Int: 3}}},
			},
			Exemplar: &metric.Exemplar{Labels: []metric.Label{{Name: "trace", Value: "1"}}, Value: value(), Time: &metric.Timestamp{Seconds: 1, Nanos: 2}},
			Created:  &metric.Timestamp{Seconds: rng.Int64N(1e9), Nanos: 5},
		})
	}
	blocks, err := exposition.Render([]*metric.Family{f}, exposition.Options{Grouping: key.Labels()})
	if err != nil {
		t.Fatal(err)
	}
	return blocks[0]
}
