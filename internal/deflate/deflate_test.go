package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// pieces compresses each part as a piece, and returns the stream of them.
func pieces(parts [][]byte, codes *Codes) (stream []byte) {
	var e Encoder
	var before []byte
	for _, part := range parts {
		stream = e.Append(stream, part, before, codes)
		before = part
	}
	return append(stream, 3, 0) // an empty last block
}

func checkPieces(t *testing.T, parts [][]byte, codes *Codes) {
	t.Helper()
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(pieces(parts, codes))))
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Concat(parts...); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes are read, and not the %d that were compressed", len(got), len(want))
	}
}

// FuzzPieces compresses content that is cut anywhere, with the codes of other
// content.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("some content"), []byte("something else"), uint16(3), uint16(1))
	f.Add([]byte{}, []byte{0}, uint16(0), uint16(0))
	f.Add(bytes.Repeat([]byte("a"), 1000), []byte("aaaaaaaaaaaaaaaa"), uint16(700), uint16(100))
	f.Fuzz(func(t *testing.T, content, other []byte, cut, times uint16) {
		content = bytes.Repeat(content, int(min(times, 200)))
		parts := [][]byte{content}
		if n := int(cut); n < len(content) {
			parts = [][]byte{content[:n], content[n:]}
		}
		var codes Codes
		pieces([][]byte{other}, &codes)
		checkPieces(t, parts, &codes)
	})
}

// TestContents compresses content in which something is extreme.
func TestContents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var rare []byte // symbols that are each half as frequent as the next: the tree is as deep as can be
	for i := range 20 {
		rare = append(rare, bytes.Repeat([]byte{byte('a' + i)}, 1<<i/16+1)...)
	}
	r.Shuffle(len(rare), func(i, j int) { rare[i], rare[j] = rare[j], rare[i] })
	var lines []byte
	for i := range 5000 {
		lines = fmt.Appendf(lines, "metric{instance=\"host-%d\"} %d\n", i, r.IntN(1e6))
	}
	contents := map[string][]byte{
		"nothing": {}, "byte": {7}, "noise": noise, "rare": rare, "lines": lines,
		"same": make([]byte, 300_000), "far": slices.Concat(noise[:window-maxBefore], noise[:window-maxBefore]),
	}
	var codes Codes
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1000, 16 << 10, window, len(content) + 1} {
				parts := slices.Collect(slices.Chunk(content, size))
				checkPieces(t, parts, &codes)
				checkPieces(t, parts, new(Codes))
			}
		})
	}
}

// TestRepeatLengths repeats a text of each length, which takes one code or several.
func TestRepeatLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 2000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for n := range 1000 {
		checkPieces(t, [][]byte{noise, noise[500 : 500+n], noise[:n]}, new(Codes))
	}
}

// TestSize compares pieces of noise with the noise.
func TestSize(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	noise := make([]byte, 16<<10)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var codes Codes
	pieces([][]byte{bytes.Repeat([]byte("text\n"), 1000)}, &codes)
	if size := len(pieces([][]byte{noise}, &codes)); size > len(noise)+len(noise)/50 {
		t.Errorf("%d bytes of noise take %d", len(noise), size)
	}
}
