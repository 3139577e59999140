package httpapi

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFirsts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1, 2, 7, 100} {
		f := firsts{most: most, found: make(map[string]bool)}
		var all []string
		for range 1_000 {
			s := fmt.Sprintf("%d", r.IntN(300))
			if s == "0" {
				s = "" // a label may be empty
			}
			all = append(all, s)
			f.add(s)
			if len(f.found) > 2*most {
				t.Fatalf("%d texts are held for the first %d", len(f.found), most)
			}
		}
		slices.Sort(all)
		all = slices.Compact(all)
		if got, want := f.list(), all[:min(len(all), most)]; !slices.Equal(got, want) {
			t.Errorf("the first %d: got %q, want %q", most, got, want)
		}
	}
}
