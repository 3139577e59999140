package compression

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func TestCombineCRC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 100_000)
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	for _, n := range []int{0, 1, 2, 3, 100, 65_535, 65_536, 99_999, 100_000} {
		first, second := text[:len(text)-n], text[len(text)-n:]
		if got, want := combineCRC(crc32.ChecksumIEEE(first), crc32.ChecksumIEEE(second), shiftOf(n)), crc32.ChecksumIEEE(text); got != want {
			t.Errorf("the last %d bytes apart: got %08x, want %08x", n, got, want)
		}
	}
}

// member writes parts, some of them as pieces that were compressed before, and
// returns the gzip member.
func member(t testing.TB, parts []string, apart func(int) bool) []byte {
	t.Helper()
	var b bytes.Buffer
	_, z := Pack([]string{"gzip"}, &b)
	g := z
	before := ""
	for i, part := range parts {
		if apart(i) {
			p, err := g.Compress([]byte(part), []byte(before))
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Append(p); err != nil {
				t.Fatal(err)
			}
		} else if _, err := g.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		before = part
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpackers of others, which must read what is put together.
var readers = map[string]func([]byte) ([]byte, error){
	"compress/gzip": func(packed []byte) ([]byte, error) {
		z, err := stdgzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	},
	"klauspost": func(packed []byte) ([]byte, error) {
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	},
}

// TestPieces puts members together from pieces and other parts.
func TestPieces(t *testing.T) {
	lines := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "metric{instance=\"host-%d\",job=\"a\"} %d\n", i, i*i)
		}
		return b.String()
	}
	big := lines(0, 20_000) // longer than a window
	for name, parts := range map[string][]string{
		"nothing":   nil,
		"empty":     {"", "", ""},
		"one":       {lines(0, 10)},
		"some":      {"# TYPE metric gauge\n", lines(0, 300), lines(300, 600), "# end\n", lines(600, 900)},
		"large":     {big, lines(0, 100), big, big},
		"no repeat": {"a", "b", "", "c"},
	} {
		for how, apart := range map[string]func(int) bool{
			"none apart": func(int) bool { return false }, "all apart": func(int) bool { return true },
			"even apart": func(i int) bool { return i%2 == 0 }, "odd apart": func(i int) bool { return i%2 == 1 },
		} {
			packed, want := member(t, parts, apart), strings.Join(parts, "")
			for reader, read := range readers {
				if got, err := read(packed); err != nil || string(got) != want {
					t.Errorf("%s, %s: %s reads %d bytes of %d, %v", name, how, reader, len(got), len(want), err)
				}
			}
		}
	}
}

// TestForeignReaders has zlib read a member of pieces.
func TestForeignReaders(t *testing.T) {
	want := strings.Repeat("metric{instance=\"host\"} 1\n", 5000)
	packed := member(t, []string{want[:26*10], want[26*10 : 26*4000], want[26*4000:]}, func(i int) bool { return i > 0 })
	for _, command := range [][]string{
		{"gzip", "-dc"},
		{"python3", "-c", "import sys,zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read(), 31))"},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("not tried: %v", err)
			continue
		}
		c := exec.Command(command[0], command[1:]...)
		c.Stdin = bytes.NewReader(packed)
		if got, err := c.Output(); err != nil || string(got) != want {
			t.Errorf("%s reads %d bytes of %d, %v", command[0], len(got), len(want), err)
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
		packed := member(t, parts, func(i int) bool { return apart>>(i%64)&1 == 1 })
		for name, read := range readers {
			if got, err := read(packed); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%s reads %q, %v", name, got, err)
			}
		}
	})
}
