package exposition

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
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
	*compression.Gzip
	t           testing.TB
	piece       *bytes.Buffer // nil outside a piece
	made, known int
}

func (w *packingWriter) Write(b []byte) (int, error) {
	if w.piece != nil {
		return w.piece.Write(b)
	}
	return w.Gzip.Write(b)
}

func (w *packingWriter) StartPiece(int) bool {
	w.made++
	w.piece = new(bytes.Buffer)
	return true
}

func (w *packingWriter) EndPiece(before []byte, keep func(*compression.Piece)) {
	p, err := w.Compress(w.piece.Bytes(), before)
	if err == nil {
		err = w.Append(p)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	keep(p)
	w.piece = nil
}

func (w *packingWriter) WritePiece(p *compression.Piece) error {
	w.known++
	return w.Append(p)
}

// packAll scrapes families with gzip. It checks what is in the answer and returns
// how many pieces were compressed, and how many were there already.
func packAll(t testing.TB, s Syntax, families [][]*Block, runs *Runs) (made, known int) {
	t.Helper()
	var b bytes.Buffer
	_, z := compression.Pack([]string{"gzip"}, &b)
	w := &packingWriter{Gzip: z.(*compression.Gzip), t: t}
	e := NewEncoder(w, Format{s, metric.UTF8}, nil)
	e.Join(runs)
	encodeAll(t, e, families)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := exposeAll(t, s, families, nil); !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("in pieces:\n%s\nas a whole:\n%s", got, want)
	}
	return w.made, w.known
}

// TestPiecesAreUsedAgain changes one block, and wants no more compressed than
// its piece and the next, which refers to it.
func TestPiecesAreUsedAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, syntax := range []Syntax{Text, Protobuf} {
		families, runs := make([][]*Block, 3), NewRuns(1<<20)
		for i := range families {
			for range 2000 {
				families[i] = append(families[i], someBlock(t, r, fmt.Sprint("m", i)))
			}
		}
		all, known := packAll(t, syntax, families, runs)
		if all < 10 || known != 0 {
			t.Fatalf("%d pieces are made and %d known, want at least 10 and none", all, known)
		}
		for range 20 {
			i := r.IntN(len(families))
			families[i] = slices.Clone(families[i])
			families[i][r.IntN(2000)] = someBlock(t, r, fmt.Sprint("m", i))
			if made, known := packAll(t, syntax, families, runs); made > 3 || made+known < all-3 {
				t.Fatalf("after one change %d pieces are made and %d known, of %d", made, known, all)
			}
		}
	}
}

// TestPieces compresses blocks that come and go, in any memory.
func TestPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, syntax := range []Syntax{Text, Protobuf} {
		for _, max := range []int{0, 3000, 1 << 20} {
			families, runs := manyBlocks(t, r), NewRuns(max)
			for range 20 {
				shuffle(t, r, families)
				packAll(t, syntax, families, runs)
				for _, table := range []*pieceTable{runs.packed.text.Load(), runs.packed.protobuf.Load()} {
					if table != nil && table.bytes.Load() > int64(max) {
						t.Fatalf("%d bytes are kept, %d wanted", table.bytes.Load(), max)
					}
				}
			}
			runs.packed.drop()
			if packAll(t, syntax, families, runs); runs.packed.of(Format{Syntax: syntax}).Load() == nil {
				t.Error("nothing is kept after the pieces were dropped")
			}
		}
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
	packAll(t, Text, families, runs)
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
