package exposition

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestWords compares searches with looking at each byte.
func TestWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const some = "0123456789 \n\t!/:~\x00\x1f\x7f\x80\xa0\xb0\xff"
	for range 100_000 {
		b := make([]byte, r.IntN(30))
		for i := range b {
			b[i] = some[r.IntN(len(some))]
			if r.IntN(3) > 0 {
				b[i] = some[r.IntN(10)]
			}
		}
		s, at := string(b), r.IntN(len(b)+1)
		isBlank := func(c rune) bool { return c <= ' ' }
		from := at
		for from < len(s) && s[from] > ' ' {
			from++
		}
		if got := blankFrom(s, at); got != from {
			t.Fatalf("blankFrom(%q, %d) is %d, want %d", s, at, got, from)
		}
		if got, want := blankBefore(s, at), bytes.LastIndexFunc(b[:at], isBlank); got != want {
			t.Fatalf("blankBefore(%q, %d) is %d, want %d", s, at, got, want)
		}
		end := bytes.IndexByte(b, '\n')
		want := end >= 1 && end <= 6 && (end == 1 || b[0] != '0') && len(bytes.Trim(b[:end], "0123456789")) == 0 && len(b) >= wordSize
		if got := integerSize(s); want && got != end || !want && got != 0 {
			t.Fatalf("integerSize(%q) is %d", s, got)
		}
	}
}
