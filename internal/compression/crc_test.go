package compression

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
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
