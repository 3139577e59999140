package scrape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"pushgateway/internal/compression"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// changing is a gateway whose groups change at random.
type changing struct {
	t       testing.TB
	random  *rand.Rand
	gateway *gateway.Gateway
	jobs    int
}

func newChanging(t testing.TB, seed uint64, jobs int) *changing {
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	c := &changing{t, rand.New(rand.NewPCG(seed, 7)), g, jobs}
	for job := range jobs {
		c.push(job)
	}
	return c
}

// push replaces a group.
func (c *changing) push(job int) {
	c.t.Helper()
	var text strings.Builder
	for family := range 3 {
		if c.random.IntN(20) == 0 {
			continue
		}
		fmt.Fprintf(&text, "# TYPE metric_%d gauge\n", family)
		for s := range 5 {
			fmt.Fprintf(&text, "metric_%d{shard=\"%d\",stage=\"transform\"} %d\n", family, s, c.random.IntN(1000))
		}
	}
	key, err := grouping.NewKey(fmt.Sprintf("job-%d", job), metric.Label{Name: "instance", Value: "host.example.org"})
	if err != nil {
		c.t.Fatal(err)
	}
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(text.String()))
	if err != nil {
		c.t.Fatal(err)
	}
	blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels(), Valid: true})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.gateway.Push(c.t.Context(), gateway.Push{Key: key, Blocks: blocks}); err != nil {
		c.t.Fatal(err)
	}
}

// change pushes to some groups, old and new, and deletes some.
func (c *changing) change() {
	for range c.random.IntN(1 + c.random.IntN(20)) {
		job := c.random.IntN(c.jobs + c.jobs/10 + 1)
		if c.random.IntN(4) > 0 {
			c.push(job)
			continue
		}
		key, err := grouping.NewKey(fmt.Sprintf("job-%d", job), metric.Label{Name: "instance", Value: "host.example.org"})
		if err == nil {
			err = c.gateway.Delete(c.t.Context(), key)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// stopping fails after some bytes, like a client that leaves.
type stopping struct{ left int }

func (s *stopping) Write(b []byte) (int, error) {
	if s.left -= len(b); s.left < 0 {
		return 0, errors.New("gone")
	}
	return len(b), nil
}

var codings = []string{"gzip", "zstd"}

// packedAll is a scrape with a coding.
func packedAll(t testing.TB, s *Scraper, v *gateway.View, coding string, f exposition.Format) []byte {
	t.Helper()
	var b bytes.Buffer
	_, z := compression.Pack([]string{coding}, &b)
	if _, err := s.All(z, v, f); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpackedAll(t testing.TB, coding string, packed []byte) []byte {
	t.Helper()
	u, err := compression.Unpack(coding, packed)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	content, err := io.ReadAll(u)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// compareScrapes scrapes a view with a coding, which must be what it is without.
func compareScrapes(t testing.TB, s *Scraper, v *gateway.View, coding string, f exposition.Format) {
	t.Helper()
	var plain bytes.Buffer
	want, err := s.All(&plain, v, f)
	if err != nil {
		t.Fatal(err)
	}
	if got := unpackedAll(t, coding, packedAll(t, s, v, coding, f)); !bytes.Equal(got, plain.Bytes()) || want.Bytes != int64(len(got)) {
		t.Fatalf("with "+coding+" there are %d bytes, without %d", len(got), plain.Len())
	}
}

var packedFormats = []exposition.Format{{Syntax: exposition.Text, Escaping: metric.UTF8}, {Syntax: exposition.Protobuf, Escaping: metric.UTF8}}

// FuzzPackedScrapes changes groups between compressed scrapes. Whatever pieces of
// earlier scrapes are in one, it is the scrape without compression.
func FuzzPackedScrapes(f *testing.F) {
	f.Add(uint64(1), uint16(400), uint8(12))
	f.Add(uint64(2), uint16(3), uint8(5))
	f.Add(uint64(3), uint16(0), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, jobs uint16, rounds uint8) {
		c := newChanging(t, seed, int(jobs%1000))
		s := New(nil, nil)
		for range rounds % 20 {
			c.change()
			format, coding := packedFormats[c.random.IntN(2)], codings[c.random.IntN(2)]
			if c.random.IntN(4) == 0 {
				_, z := compression.Pack([]string{coding}, &stopping{c.random.IntN(20_000)})
				_, _ = s.All(z, c.gateway.View(), format)
				_ = z.Close()
			}
			compareScrapes(t, s, c.gateway.View(), coding, format)
		}
	})
}

// TestPackedScrapesConcurrently scrapes several views at once.
func TestPackedScrapesConcurrently(t *testing.T) {
	c := newChanging(t, 3, 300)
	s := New(nil, nil)
	var wg sync.WaitGroup
	for range 10 {
		c.change()
		v := c.gateway.View()
		for _, f := range packedFormats {
			for _, coding := range codings {
				wg.Go(func() { compareScrapes(t, s, v, coding, f) })
			}
		}
	}
	wg.Wait()
}

// TestPackedSize compares a scrape in pieces with one that is compressed as a
// whole. With zstd that finds repeats which are further back than a piece.
func TestPackedSize(t *testing.T) {
	c := newChanging(t, 4, 3000)
	s, v := New(nil, nil), c.gateway.View()
	most := map[string]float64{"gzip": 1.05, "zstd": 1.15}
	for _, f := range packedFormats {
		var plain bytes.Buffer
		if _, err := s.All(&plain, v, f); err != nil {
			t.Fatal(err)
		}
		for _, coding := range codings {
			got, whole := len(packedAll(t, s, v, coding, f)), wholeSize(t, coding, plain.Bytes())
			t.Logf("%s, %v: %d bytes in pieces, %d as a whole: ×%.3f", coding, f.Syntax, got, whole, float64(got)/float64(whole))
			if float64(got) > most[coding]*float64(whole) {
				t.Errorf("%s, %v: pieces take %d bytes, the whole %d", coding, f.Syntax, got, whole)
			}
		}
	}
}

// wholeSize compresses content at once, at the fastest level.
func wholeSize(t testing.TB, coding string, content []byte) int {
	t.Helper()
	var n counting
	var z io.WriteCloser
	var err error
	if coding == "gzip" {
		z, err = gzip.NewWriterLevel(&n, gzip.BestSpeed)
	} else {
		z, err = zstd.NewWriter(&n, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// unseen hides what a writer can do beside writing.
type unseen struct{ io.WriteCloser }

// BenchmarkPacked scrapes in each coding and format: as a whole, in pieces that are all new,
// and in pieces of the last scrape after all groups have changed, 1 of 100, and 1 of 500.
func BenchmarkPacked(b *testing.B) {
	for _, coding := range codings {
		for _, f := range packedFormats {
			b.Run(coding+"/"+f.Syntax.String(), func(b *testing.B) { benchmarkPacked(b, coding, f) })
		}
	}
}

func benchmarkPacked(b *testing.B, coding string, f exposition.Format) {
	c := newChanging(b, 5, 10_000)
	s := New(nil, nil)
	scrape := func(b *testing.B, s *Scraper, hide bool) {
		var n counting
		_, packer := compression.Pack([]string{coding}, &n)
		var z io.WriteCloser = packer
		if hide {
			z = unseen{z}
		}
		if _, err := s.All(z, c.gateway.View(), f); err != nil {
			b.Fatal(err)
		}
		if err := z.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "B/scrape")
	}
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			scrape(b, New(nil, nil), true)
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			scrape(b, New(nil, nil), false)
		}
	})
	for _, part := range []int{1, 100, 500} {
		change := func() {
			for job := range c.jobs / part {
				if part > 1 {
					job = c.random.IntN(c.jobs)
				}
				c.push(job)
			}
		}
		b.Run(fmt.Sprintf("1 of %d", part), func(b *testing.B) {
			for range 2 {
				change()
				scrape(b, s, false)
			}
			for b.Loop() {
				b.StopTimer()
				change()
				b.StartTimer()
				scrape(b, s, false)
			}
		})
	}
}

type counting int

func (c *counting) Write(b []byte) (int, error) {
	*c += counting(len(b))
	return len(b), nil
}
