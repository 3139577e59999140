package exposition

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"pushgateway/internal/metric"
)

// togetherBodies have families of these sizes: few or many, short or long, with text
// alone or not.
var togetherBodies = map[string]string{
	"one":                familiesOf(1, 1),
	"few":                familiesOf(9, 3),
	"several pieces":     familiesOf(30, 30),
	"short and long":     familiesOf(5, 1) + familyOf(5, 2000) + familyOf(6, 1) + familyOf(7, 20000) + familyOf(8, 2),
	"an array full":      familiesOf(maxMates, 1),
	"one more":           familiesOf(maxMates+1, 1),
	"several arrays":     familiesOf(3*maxMates-1, 2),
	"more than text":     familiesOf(5, 3) + "f00005 -0\n" + familyOf(6, 2),
	"more, and an array": familiesOf(maxMates-1, 1) + "g1 -0\ng2 -0\n" + "h 1\n",
}

func familiesOf(n, lines int) (body string) {
	for i := range n {
		body += familyOf(i, lines)
	}
	return body
}

func familyOf(i, lines int) string {
	var b strings.Builder
	for l := range lines {
		fmt.Fprintf(&b, "f%05d{line=\"%d\"} %d\n", i, l, l)
	}
	return b.String()
}

// TestTogether wants of the blocks of one push the texts that they have if they
// are made one by one, and that each knows its mates.
func TestTogether(t *testing.T) {
	for name, body := range togetherBodies {
		t.Run(name, func(t *testing.T) {
			rendered := renderText(t, body)
			checkTogether(t, rendered, body)
			refilled, ok := Refill([]byte(body), slices.Values(rendered), Options{Valid: true})
			if !ok {
				t.Fatal("the body is not filled in")
			}
			checkTogether(t, refilled, body)
			for _, b := range rendered {
				if b.StoredText() == nil {
					return // such a block is not repeated
				}
			}
			checkTogether(t, repeatedOf(t, rendered), body)
		})
	}
}

// repeatedOf returns what a reader of records makes of blocks that repeat.
func repeatedOf(t *testing.T, blocks []*Block) []*Block {
	t.Helper()
	r := GetStoredReader()
	defer r.Release()
	for _, b := range blocks {
		if !r.Repeats(b, b.AppendStored(nil), b.StoredText()) {
			t.Fatal("the stored family is not repeated")
		}
	}
	return r.Repeated()
}

// TestTogetherAfterFailures makes blocks right after others have failed in the
// middle, with the same memory.
func TestTogetherAfterFailures(t *testing.T) {
	body := familiesOf(30, 30)
	blocks := renderText(t, body)
	for range 20 {
		if _, ok := Refill([]byte(strings.Replace(body, "} 29\n", "} x\n", 20)), slices.Values(blocks), Options{}); ok {
			t.Fatal("a body with a wrong value is filled in")
		}
		p := GetParser()
		families, err := p.ParseText([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		families[20].Series[3].Timed = true
		if _, err := Render(families, Options{Valid: true}); err == nil {
			t.Fatal("a timestamp is taken")
		}
		p.Release()
		refilled, ok := Refill([]byte(body), slices.Values(blocks), Options{Valid: true})
		if !ok {
			t.Fatal("the body is not filled in")
		}
		checkTogether(t, refilled, body)
	}
	checkTogether(t, blocks, body)
}

// TestNothingKeepsReplacedBlocks wants that the memory of a push is released some
// time after the last scrape of a kind, once another push has replaced it.
func TestNothingKeepsReplacedBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, cache := NewRuns(1<<20), NewCache(1<<20)
		blocks := renderText(t, familiesOf(9, 3))
		replaced := weak.Make(blocks[0])
		for _, s := range []Syntax{Text, OpenMetrics1, Protobuf} {
			e := NewEncoder(io.Discard, Format{s, metric.UTF8}, cache)
			e.Join(runs)
			encodeAll(t, e, [][]*Block{blocks})
		}
		blocks = nil
		runtime.GC()
		if replaced.Value() == nil {
			t.Error("the next scrape will not find the blocks of this one")
		}
		time.Sleep(runsFor)
		synctest.Wait()
		runtime.GC()
		if replaced.Value() != nil {
			t.Error("a block that was replaced is still in memory")
		}
		runtime.KeepAlive(runs)
		runtime.KeepAlive(cache)
	})
}

func renderText(t *testing.T, body string) []*Block {
	t.Helper()
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(families, Options{Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	p.Imprint([]byte(body), blocks)
	return blocks
}

func checkTogether(t *testing.T, blocks []*Block, body string) {
	t.Helper()
	body = strings.ReplaceAll(body, " -0\n", " 0\n") // which only protobuf expresses
	mates := make(map[*Block]int)
	for _, b := range blocks {
		_, first := b.Mates()
		mates[first]++
	}
	for i, b := range blocks {
		text := strings.ReplaceAll(strings.ReplaceAll(string(b.Text()), `instance="",`, ""), `{instance=""}`, "")
		if text == "" || !strings.HasPrefix(body, text) || !strings.HasPrefix(text, b.Name) {
			t.Fatalf("block %d, %s, has the text %.100q, want what begins with %.100q", i, b.Name, text, body)
		}
		body = body[len(text):]
		n, first := b.Mates()
		switch {
		case n == 0 && first == nil:
		case n != mates[first] || n == 1 || n > maxMates:
			t.Fatalf("block %d says that it has %d mates, want %d", i, n, mates[first])
		}
		checkApart(t, b)
	}
	if body != "" {
		t.Errorf("the blocks lack %.100q", body)
	}
	if len(blocks) > 8 && mates[nil] == len(blocks) {
		t.Error("no blocks share memory")
	}
}

// checkApart wants of a block that is taken apart that it has the same text, in
// other memory if that was shared.
func checkApart(t *testing.T, b *Block) {
	t.Helper()
	shared, _ := b.Mates()
	c := b.Apart()
	if n, first := c.Mates(); n != 0 || first != nil || !bytes.Equal(c.Text(), b.Text()) {
		t.Fatalf("apart, the block has %d mates and the text %q, want %q", n, c.Text(), b.Text())
	}
	same := unsafe.SliceData(c.Text()) == unsafe.SliceData(b.Text())
	if (c == b) != (shared == 0) || same != (shared == 0) {
		t.Fatalf("the block shares memory with %d, and taken apart it has the same memory: %v", shared, same)
	}
}
