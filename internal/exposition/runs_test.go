package exposition

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pushgateway/internal/metric"
)

// counted counts the writes that a scrape is made of.
type counted struct {
	bytes.Buffer
	writes int
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes++
	return c.Buffer.Write(b)
}

// someBlock gives a block of a family, with some series.
func someBlock(t testing.TB, r *rand.Rand, name string) *Block {
	t.Helper()
	var text strings.Builder
	for s := range 1 + r.IntN(3) {
		fmt.Fprintf(&text, "%s{series=\"%d\",filler=%q} %d\n", name, s, strings.Repeat("x", r.IntN(100)), r.IntN(1000))
	}
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(families, Options{Grouping: []metric.Label{{Name: "job", Value: fmt.Sprint(r.Uint64())}}})
	if err != nil {
		t.Fatal(err)
	}
	return blocks[0]
}

// exposeAll encodes families; runs may be nil.
func exposeAll(t testing.TB, s Syntax, families [][]*Block, runs *Runs) *counted {
	t.Helper()
	var out counted
	e := NewEncoder(&out, Format{s, metric.UTF8}, nil)
	if runs != nil {
		e.Join(runs)
	}
	encodeAll(t, e, families)
	return &out
}

func encodeAll(t testing.TB, e *Encoder, families [][]*Block) {
	t.Helper()
	for i, blocks := range families {
		f := Exposed{Name: fmt.Sprint("m", i), Type: metric.Untyped, Blocks: slices.Values(blocks)}
		for _, b := range blocks {
			f.Series += b.Series()
			f.ProtoSize += b.DelimitedSize()
		}
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func manyBlocks(t testing.TB, r *rand.Rand) [][]*Block {
	families := make([][]*Block, 5)
	for i := range families {
		for range r.IntN(300) {
			families[i] = append(families[i], someBlock(t, r, fmt.Sprint("m", i)))
		}
	}
	return families
}

// shuffle replaces, removes and adds some blocks.
func shuffle(t testing.TB, r *rand.Rand, families [][]*Block) {
	for i, blocks := range families {
		blocks = slices.Clone(blocks) // scrapes may be under way
		for range r.IntN(1 + r.IntN(40)) {
			at := r.IntN(1 + len(blocks))
			switch fresh := someBlock(t, r, fmt.Sprint("m", i)); {
			case r.IntN(3) == 0:
				blocks = slices.Insert(blocks, at, fresh)
			case at == len(blocks):
			case r.IntN(3) == 0:
				blocks = slices.Delete(blocks, at, min(at+1+r.IntN(20), len(blocks)))
			default:
				blocks[at] = fresh
			}
		}
		families[i] = blocks
	}
}

// TestRuns exposes blocks that come and go, with runs and without. Those that
// stay are written in few pieces.
func TestRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, syntax := range []Syntax{Text, Protobuf} {
		for _, max := range []int{0, 10_000, 1 << 20} {
			families, runs := manyBlocks(t, r), NewRuns(max)
			for range 200 {
				shuffle(t, r, families)
				for range r.IntN(4) {
					want, got := exposeAll(t, syntax, families, nil), exposeAll(t, syntax, families, runs)
					if !bytes.Equal(want.Bytes(), got.Bytes()) {
						t.Fatalf("with runs:\n%s\nwithout:\n%s", got, want)
					}
				}
				for _, table := range []*runTable{runs.text.Load(), runs.protobuf.Load()} {
					if table != nil && table.bytes > max {
						t.Fatalf("%d bytes are kept, %d wanted", table.bytes, max)
					}
				}
			}
			pieces := len(families) // their heads
			for _, blocks := range families {
				pieces += (len(blocks) + minRun - 1) / minRun
			}
			for range 2 {
				exposeAll(t, syntax, families, runs)
			}
			if got := exposeAll(t, syntax, families, runs).writes; max > 100_000 && got > pieces {
				t.Errorf("what stays is written in %d pieces, want at most %d", got, pieces)
			}
		}
	}
}

// TestRunsOfOtherFormats scrapes text and what has no runs by turns.
func TestRunsOfOtherFormats(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	families, runs := manyBlocks(t, r), NewRuns(1<<20)
	for _, other := range []Syntax{OpenMetrics1, OpenMetrics0, ProtobufText, ProtobufCompact} {
		for range 3 {
			exposeAll(t, Text, families, runs)
		}
		want := runs.text.Load().bytes
		if exposeAll(t, other, families, runs); runs.text.Load().bytes != want {
			t.Errorf("after a scrape of %v %d bytes are kept for text, want %d", other, runs.text.Load().bytes, want)
		}
	}
}

// TestRunsConcurrently has several scrape what changes.
func TestRunsConcurrently(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	families, runs := manyBlocks(t, r), NewRuns(1<<20)
	for range 30 {
		shuffle(t, r, families)
		now := slices.Clone(families)
		want := exposeAll(t, Text, now, nil)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got := exposeAll(t, Text, now, runs); !bytes.Equal(want.Bytes(), got.Bytes()) {
					t.Errorf("with runs:\n%s\nwithout:\n%s", got, want)
				}
			})
		}
		wg.Wait()
	}
}

// TestLargeBlocksAreNotJoined: to copy them once more gains nothing.
func TestLargeBlocksAreNotJoined(t *testing.T) {
	text := strings.Repeat("x", maxJoined/2)
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte("m0{large=\"" + text + "\"} 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(families, Options{})
	if err != nil {
		t.Fatal(err)
	}
	runs := NewRuns(16 << 20)
	for range 3 {
		exposeAll(t, Text, [][]*Block{{blocks[0], blocks[0]}}, runs)
	}
	if table := runs.text.Load(); len(table.starts) > 0 || table.bytes > 0 {
		t.Errorf("%d runs with %d bytes are kept", len(table.starts), table.bytes)
	}
}

// TestSingleBlocksAreNotKept: most families of a gateway with very many have
// one block.
func TestSingleBlocksAreNotKept(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var families [][]*Block
	for i := range 100 {
		families = append(families, []*Block{someBlock(t, r, fmt.Sprint("m", i))})
	}
	runs := NewRuns(16 << 20)
	for range 3 {
		exposeAll(t, Text, families, runs)
	}
	if table := runs.text.Load(); len(table.starts) > 0 || table.bytes > 0 {
		t.Errorf("%d runs with %d bytes are kept", len(table.starts), table.bytes)
	}
}
