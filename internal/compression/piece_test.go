package compression

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// stream writes parts, some of them as pieces that were compressed before, and
// returns the compressed stream.
func stream(t testing.TB, coding string, parts []string, apart func(int) bool) []byte {
	t.Helper()
	var b bytes.Buffer
	_, z := Pack([]string{coding}, &b)
	before := ""
	for i, part := range parts {
		if apart(i) {
			p, err := z.Compress([]byte(part), []byte(before))
			if err != nil {
				t.Fatal(err)
			}
			if err := z.Append(p); err != nil {
				t.Fatal(err)
			}
		} else if _, err := z.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		before = part
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reader is one of those that must read what is put together.
type reader struct {
	name, coding string
	read         func([]byte) ([]byte, error)
}

var readers = []reader{
	{"compress/gzip", "gzip", func(packed []byte) ([]byte, error) {
		z, err := stdgzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	}},
	{"klauspost's gzip", "gzip", func(packed []byte) ([]byte, error) {
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	}},
	{"klauspost's zstd", "zstd", func(packed []byte) ([]byte, error) {
		z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	}},
	{"klauspost's zstd, all at once", "zstd", func(packed []byte) ([]byte, error) {
		z, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return z.DecodeAll(packed, nil)
	}},
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "metric{instance=\"host-%d\",job=\"a\"} %d\n", i, i*i)
	}
	return b.String()
}

// noise cannot be compressed.
func noise(n int) string {
	r, b := rand.New(rand.NewPCG(1, 2)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// streams returns parts of streams, by what is special about them.
func streams() map[string][]string {
	big := lines(0, 20_000)
	return map[string][]string{
		"nothing":   nil,
		"empty":     {"", "", ""},
		"one":       {lines(0, 10)},
		"some":      {"# TYPE metric gauge\n", lines(0, 300), lines(300, 600), "# end\n", lines(600, 900)},
		"large":     {big, lines(0, 100), big, big}, // longer than the windows
		"no repeat": {"a", "b", "", "c"},
		"noise":     {noise(100), noise(300_000), lines(0, 300), noise(20_000), noise(20_000)},
		"one byte":  {strings.Repeat("a", 300_000), lines(0, 300), strings.Repeat("a", 20_000), strings.Repeat("a", 20_000)},
		// A reader of zstd begins a frame with the offsets 1, 4 and 8.
		"offsets": {
			lines(0, 300), strings.Repeat("x", 100) + "1234" + strings.Repeat("abcd", 30) + "56" + strings.Repeat("12345678", 20) + lines(0, 10),
			lines(300, 600), strings.Repeat("abcdefgh", 9) + "x" + strings.Repeat("abcd", 9) + "yyyyyyyyyyyyyyy" + lines(3, 6),
			lines(0, 300), strings.Repeat("zzzz", 9) + "q" + strings.Repeat("zzzz", 9) + "q" + strings.Repeat("zzzz", 9),
		},
	}
}

// choices say which parts are pieces.
var choices = map[string]func(int) bool{
	"none apart": func(int) bool { return false }, "all apart": func(int) bool { return true },
	"even apart": func(i int) bool { return i%2 == 0 }, "odd apart": func(i int) bool { return i%2 == 1 },
}

// TestPieces puts streams together from pieces and other parts.
func TestPieces(t *testing.T) {
	for name, parts := range streams() {
		for how, apart := range choices {
			want := strings.Join(parts, "")
			packed := map[string][]byte{"gzip": stream(t, "gzip", parts, apart), "zstd": stream(t, "zstd", parts, apart)}
			for _, r := range readers {
				if got, err := r.read(packed[r.coding]); err != nil || string(got) != want {
					t.Errorf("%s, %s: %s reads %d bytes of %d, %v", name, how, r.name, len(got), len(want), err)
				}
			}
		}
	}
}

// TestPiecesInAnyOrder uses pieces again, in streams with others before them. Those
// of zstd refer to nothing before them.
func TestPiecesInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var all []string
	for _, parts := range streams() {
		all = append(all, parts...)
	}
	_, z := Pack([]string{"zstd"}, io.Discard)
	defer z.Close()
	pieces := make([]*Piece, len(all))
	for i, part := range all {
		var err error
		if pieces[i], err = z.Compress([]byte(part), nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		var packed, want bytes.Buffer
		_, z := Pack([]string{"zstd"}, &packed)
		for _, i := range r.Perm(len(all)) {
			want.WriteString(all[i])
			if err := z.Append(pieces[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		for _, read := range readers {
			if read.coding != "zstd" {
				continue
			}
			if got, err := read.read(packed.Bytes()); err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Fatalf("%s reads %d bytes of %d, %v", read.name, len(got), want.Len(), err)
			}
		}
	}
}

// TestForeignReaders has programs read streams of pieces. Python's zstandard stops
// after the first frame unless it is told otherwise.
func TestForeignReaders(t *testing.T) {
	var all []string
	for _, parts := range streams() {
		all = append(all, parts...)
	}
	want := strings.Join(all, "")
	for _, foreign := range []struct {
		coding  string
		command []string
		needs   []string // succeeds if the command can run
	}{
		{"gzip", []string{"gzip", "-dc"}, []string{"gzip", "--version"}},
		{"gzip", []string{"python3", "-c", "import sys,zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read(), 31))"}, []string{"python3", "-c", "import zlib"}},
		{"zstd", []string{"zstd", "-dc"}, []string{"zstd", "--version"}},
		{"zstd", []string{"python3", "-c", "import sys,zstandard; sys.stdout.buffer.write(zstandard.ZstdDecompressor().stream_reader(sys.stdin.buffer).read())"}, []string{"python3", "-c", "import zstandard"}},
		{"zstd", []string{"python3", "-c", "import sys,zstandard; sys.stdout.buffer.write(zstandard.ZstdDecompressor().decompressobj().decompress(sys.stdin.buffer.read()))"}, []string{"python3", "-c", "import zstandard"}},
	} {
		if err := exec.Command(foreign.needs[0], foreign.needs[1:]...).Run(); err != nil {
			t.Logf("%q is not tried, since %q does not work here: %v", foreign.command, foreign.needs, err)
			continue
		}
		c := exec.Command(foreign.command[0], foreign.command[1:]...)
		c.Stdin = bytes.NewReader(stream(t, foreign.coding, all, choices["odd apart"]))
		if got, err := c.Output(); err != nil || string(got) != want {
			t.Errorf("%q reads %d bytes of %d, %v", foreign.command, len(got), len(want), err)
		}
	}
}

// FuzzPieces cuts a text into parts and compresses some of them apart.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("metric 1\nmetric 2\nmetric 3\n"), uint64(3), uint8(4))
	f.Add(bytes.Repeat([]byte("metric{a=\"b\"} 1\n"), 5000), uint64(5), uint8(200))
	f.Fuzz(func(t *testing.T, text []byte, apart uint64, size uint8) {
		var parts []string
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+int(size)*len(parts))
			parts, rest = append(parts, string(rest[:n])), rest[n:]
		}
		for _, r := range readers {
			packed := stream(t, r.coding, parts, func(i int) bool { return apart>>(i%64)&1 == 1 })
			if got, err := r.read(packed); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%s reads %q, %v", r.name, got, err)
			}
		}
	})
}
