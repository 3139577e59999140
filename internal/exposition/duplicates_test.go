package exposition

import (
	"fmt"
	"strings"
	"testing"
)

// TestDuplicates refuses a series that comes twice, behind few or many others,
// and says which it is.
func TestDuplicates(t *testing.T) {
	for _, n := range []int{1, 31, 32, 33, 1000} {
		var body strings.Builder
		for i := range n {
			fmt.Fprintf(&body, "m{a=\"%d\"} 1\n", i)
		}
		last := fmt.Sprintf("m{a=\"%d\"}", n-1)
		fmt.Fprintf(&body, "%s 2\n", last)
		p := GetParser()
		families, err := p.ParseText([]byte(body.String()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Render(families, Options{Valid: true}); err == nil || !strings.Contains(err.Error(), "the series "+last+" occurs twice") {
			t.Errorf("behind %d series: %v", n, err)
		}
		p.Release()
	}
}
