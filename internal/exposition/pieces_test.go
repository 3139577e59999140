package exposition

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"weak"

	"pushgateway/internal/compression"
	"pushgateway/internal/metric"
)

// packingWriter is a PieceWriter that compresses at once, and counts pieces.
type packingWriter struct {
	compression.Packer
	t           testing.TB
	made, known int
}

func (w *packingWriter) AddPiece(n *NewPiece) bool {
	w.made++
	content, before := n.AppendContent(nil)
	if len(content) != n.Size() {
		w.t.Fatalf("a piece has %d bytes instead of %d", len(content), n.Size())
	}
	p, err := w.Compress(content, before)
	if err == nil {
		err = w.Append(p)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	n.Keep(p)
	return true
}

func (w *packingWriter) WritePiece(p *compression.Piece) error {
	w.known++
	return w.Append(p)
}

var codings = []string{"gzip", "zstd"}

func unpack(t testing.TB, coding string, packed []byte) []byte {
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

// packAll scrapes families with a coding. It checks what is in the answer and returns
// how many pieces were compressed, and how many were there already.
func packAll(t testing.TB, s Syntax, coding string, families [][]*Block, runs *Runs) (made, known int) {
	t.Helper()
	var b bytes.Buffer
	_, z := compression.Pack([]string{coding}, &b)
	w := &packingWriter{Packer: z, t: t}
	e := NewEncoder(w, Format{s, metric.UTF8}, nil)
	e.Join(runs)
	encodeAll(t, e, families)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := unpack(t, coding, b.Bytes())
	if want := exposeAll(t, s, families, nil); !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("in pieces:\n%s\nas a whole:\n%s", got, want)
	}
	return w.made, w.known
}

// replace replaces a block of a family.
func replace(t testing.TB, r *rand.Rand, families [][]*Block, family, block int) {
	families[family] = slices.Clone(families[family])
	families[family][block] = someBlock(t, r, fmt.Sprint("m", family))
}

// TestPiecesAreUsedAgain changes one block twice. The first time the long piece
// that has it is divided. The second time no more is compressed than the short
// piece and the next, which refers to it.
func TestPiecesAreUsedAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i, syntax := range []Syntax{Text, Protobuf, Text, Protobuf} {
		coding := codings[i/2]
		families, runs := make([][]*Block, 3), NewRuns(1<<20)
		for i := range families {
			for range 2000 {
				families[i] = append(families[i], someBlock(t, r, fmt.Sprint("m", i)))
			}
		}
		all, known := packAll(t, syntax, coding, families, runs)
		if all < 5 || known != 0 {
			t.Fatalf("%d pieces are made and %d known, want at least 5 and none", all, known)
		}
		for range 20 {
			family, block := r.IntN(len(families)), r.IntN(2000)
			for _, most := range []int{16, 3} {
				replace(t, r, families, family, block)
				made, known := packAll(t, syntax, coding, families, runs)
				if made > most || made+known < all-3 {
					t.Fatalf("after one change %d pieces are made and %d known, of %d; at most %d may be made", made, known, all, most)
				}
				all = made + known
			}
		}
	}
}

// TestPiecesFollowChanges changes everything and few blocks in turn. Pieces are
// long as long as everything changes, and short once little does.
func TestPiecesFollowChanges(t *testing.T) {
	const blocks = 4000
	r := rand.New(rand.NewPCG(9, 1))
	for i, syntax := range []Syntax{Text, Protobuf, Text, Protobuf} {
		coding := codings[i/2]
		families, runs := [][]*Block{make([]*Block, blocks)}, NewRuns(1<<20)
		change := func(step int) (made, known int) {
			for block := 0; block < blocks; block += step {
				replace(t, r, families, 0, block)
			}
			return packAll(t, syntax, coding, families, runs)
		}
		long, _ := change(1)
		for range 2 {
			if made, known := change(1); made > long+2 || known > 0 {
				t.Errorf("%s, %v: after everything changed %d pieces are made and %d known, want about %d and none", coding, syntax, made, known, long)
			}
			if made, known := change(40); made+known < 3*long/2 {
				t.Errorf("%s, %v: after 1 of 40 blocks changed there are %d pieces, want many more than %d", coding, syntax, made+known, long)
			}
			if made, known := change(blocks / 5); made > 15 || known == 0 {
				t.Errorf("%s, %v: after 5 of %d blocks changed %d pieces are made and %d known, want at most 15 and all others", coding, syntax, blocks, made, known)
			}
		}
	}
}

// TestPieces compresses blocks that come and go, in any memory.
func TestPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i, syntax := range []Syntax{Text, Protobuf, Text, Protobuf} {
		coding := codings[i/2]
		for _, max := range []int{0, 3000, 1 << 20} {
			families, runs := manyBlocks(t, r), NewRuns(max)
			for range 20 {
				shuffle(t, r, families)
				packAll(t, syntax, coding, families, runs)
				checkKept(t, runs.packed)
			}
		}
	}
}

// checkKept checks that the pieces that are kept are within their bounds, counted
// anew.
func checkKept(t testing.TB, tables *pieceTables) {
	t.Helper()
	all := 0
	for key, table := range tables.kept {
		size := 0
		for _, r := range table.starts {
			size += runSize + blockSize*len(r.blocks)
			if packed := r.packed.Load(); packed != nil {
				size += packed.Size()
			}
		}
		if size > table.bytes || size > tables.maxEach {
			t.Fatalf("%v: %d bytes are kept, %d of them counted; at most %d may be", key, size, table.bytes, tables.maxEach)
		}
		all += size
	}
	if all > tables.maxAll || len(tables.making) > 0 {
		t.Fatalf("%d bytes are kept, and %d tables being made; at most %d bytes may be", all, len(tables.making), tables.maxAll)
	}
}

// TestPiecesOfManyKinds scrapes in all formats and codings, whose pieces together
// exceed the bound.
func TestPiecesOfManyKinds(t *testing.T) {
	r, runs := rand.New(rand.NewPCG(7, 8)), NewRuns(60_000)
	families := [][]*Block{nil}
	for range 5000 {
		families[0] = append(families[0], someBlock(t, r, "m0"))
	}
	for range 3 {
		for _, syntax := range []Syntax{Text, Protobuf} {
			for _, coding := range codings {
				packAll(t, syntax, coding, families, runs)
				checkKept(t, runs.packed)
			}
		}
	}
	kept := maps.Clone(runs.packed.kept)
	for key, table := range kept {
		runs.packed.forget(table)
		checkKept(t, runs.packed)
		if runs.packed.kept[key] != nil {
			t.Fatalf("%v: pieces are kept after they were forgotten", key)
		}
	}
	for key := range kept {
		packAll(t, key.syntax, key.coding, families, runs)
		if _, known := packAll(t, key.syntax, key.coding, families, runs); known == 0 {
			t.Errorf("%v: no piece is used again after all were forgotten", key)
		}
		checkKept(t, runs.packed)
		runs.packed.forget(runs.packed.kept[key])
	}
}

// TestOneScrapeKeepsPieces begins several at once. The first one keeps its pieces,
// unless it is abandoned.
func TestOneScrapeKeepsPieces(t *testing.T) {
	tables := newPieceTables(1 << 20)
	_, z := compression.Pack([]string{"gzip"}, io.Discard)
	to, key := &packingWriter{Packer: z, t: t}, pieceKey{Text, "gzip"}
	first, second := tables.begin(key, to), tables.begin(key, to)
	other := tables.begin(pieceKey{Text, "zstd"}, to)
	if first.next == nil || second.next != nil || other.next == nil {
		t.Fatalf("kept by the first %v, by the second %v, by the other %v", first.next != nil, second.next != nil, other.next != nil)
	}
	first.abandon()
	if tables.takes(first.next, 1) {
		t.Error("an abandoned scrape still keeps pieces")
	}
	third := tables.begin(key, to)
	if third.next == nil {
		t.Fatal("after the first was abandoned, nothing is kept")
	}
	third.next.begun = third.next.begun.Add(-2 * maxMaking)
	fourth := tables.begin(key, to)
	third.publish()
	if fourth.next == nil || tables.kept[key] != nil {
		t.Fatal("a scrape that takes too long keeps its pieces")
	}
	fourth.publish()
	if fourth.abandon(); tables.kept[key] != fourth.next {
		t.Fatal("what was published is gone")
	}
}

// TestPiecesKeepNoBlocks replaces blocks after a scrape. Pieces must not keep them
// in memory, since nothing bounds their size.
func TestPiecesKeepNoBlocks(t *testing.T) {
	r, runs := rand.New(rand.NewPCG(5, 6)), NewRuns(16<<20)
	families := [][]*Block{nil}
	for range 2000 {
		families[0] = append(families[0], someBlock(t, r, "m"))
	}
	packAll(t, Text, "gzip", families, runs)
	old := weak.Make(families[0][0])
	families = nil
	for range 2 {
		runtime.GC()
	}
	if old.Value() != nil {
		t.Error("a block that nothing else uses is kept")
	}
	runtime.KeepAlive(runs)
}
