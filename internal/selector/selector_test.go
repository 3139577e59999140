package selector

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

func key(t testing.TB, job string, labels ...metric.Label) grouping.Key {
	t.Helper()
	k, err := grouping.NewKey(job, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestMatches(t *testing.T) {
	k := key(t, "a", metric.Label{Name: "x", Value: "=~"}, metric.Label{Name: "é.y", Value: "1"})
	for selector, want := range map[string]bool{
		`{}`:                                    true,
		`{job="a"}`:                             true,
		`{job=~"a"}`:                            true,
		`{job=~"a|b"}`:                          true,
		`{job!~"a|b"}`:                          false,
		`{job=~"b|c|"}`:                         false,
		`{none=~"b|c|"}`:                        true,
		`{none!~".+"}`:                          true,
		`{x="=~"}`:                              true,
		`{x=~"[=!]~", job!~"x.*"}`:              true,
		`{"é.y"=~"[0-9]","job"=~"A"}`:           false,
		`{"é.y"=~"[0-9]","job"=~"(?i)A"}`:       true,
		"{job=~`\\Qa`}":                         true,
		"{job # =~\n =~ \"a\", # \"\n x=~'.~'}": true,
		`{__name__=~".*",job=~"a"}`:             true,
		`{"",job=~"a"}`:                         true,
		`{job=~"a{1,100}"}`:                     true,
	} {
		s, err := Parse([]string{selector}, guard.SelectorLimits{})
		if err != nil {
			t.Errorf("%s: %v", selector, err)
			continue
		}
		if got := s.Matches(t.Context(), k); got != want {
			t.Errorf("%s: got %v, want %v", selector, got, want)
		}
	}
}

func TestLongTextsAreMatchedAsOthers(t *testing.T) {
	long := strings.Repeat("ab", 15_000)
	k := key(t, long)
	for selector, want := range map[string]bool{
		`{job=~"(ab)+"}`: true, `{job=~"(ab)+c"}`: false, `{job=~"(?i:.*BABA.*)"}`: true, `{job!~".*"}`: false,
	} {
		s, err := Parse([]string{selector}, guard.SelectorLimits{})
		if err != nil {
			t.Fatalf("%s: %v", selector, err)
		}
		if got := s.Matches(t.Context(), k); got != want {
			t.Errorf("%s: got %v, want %v", selector, got, want)
		}
	}
}

func TestMatchingEndsWithItsContext(t *testing.T) {
	read := 0
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for r := (&reader{search: ctx, rest: strings.Repeat("a", 30_000)}); ; read++ {
		if _, _, err := r.ReadRune(); err != nil {
			break
		}
	}
	if read > 100 {
		t.Errorf("%d characters were read for nobody", read)
	}
}

func TestWhatIsTooMuchIsRefused(t *testing.T) {
	many := func(n int, s string) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = s
		}
		return list
	}
	for name, c := range map[string]struct {
		selectors []string
		bound     string
	}{
		"selectors":            {many(101, `{job="a"}`), "100"},
		"a long selector":      {[]string{`{job="` + strings.Repeat("a", 9_000) + `"}`}, "8192"},
		"long ones together":   {many(10, `{job="`+strings.Repeat("a", 4_000)+`"}`), "32768"},
		"matchers":             {many(20, `{`+strings.Repeat(`job="a",`, 11)+`}`), "200"},
		"a repeat":             {[]string{`{job=~"[ab]{1000}.{1000}[ab]{1000}.{1000}[ab]{1000}.{1000}"}`}, "5000"},
		"nested repeats":       {[]string{`{job=~"((a{10}b{10}){10}c){10}((((x{1,9}y?){9})?z{5,})+){9}"}`}, "5000"},
		"repeats in many":      {many(20, `{job=~".*(.?a){300}"}`), "5000"},
		"repeats that are not": {[]string{`{job!~"(a|b.{999}){2,1000}"}`}, "bad"},
		"classes":              {[]string{`{job=~"` + strings.Repeat(`\\pL`, 1_000) + `"}`}, "5000"},
	} {
		_, err := Parse(c.selectors, guard.SelectorLimits{})
		if c.bound == "bad" { // Go's own bound comes first
			c.bound = "invalid repeat count"
		}
		if err == nil || !strings.Contains(err.Error(), c.bound) || len(err.Error()) > 1000 {
			t.Errorf("%s: got %v, want an error of the bound %s", name, err, c.bound)
		}
	}
}

func TestWhatPeopleAskForIsTaken(t *testing.T) {
	var instances []string
	for i := range 100 {
		instances = append(instances, fmt.Sprintf(`%d-db\\.eu\\.example\\.com:9100`, i))
	}
	for name, selector := range map[string]string{
		"names":     `{job=~"` + strings.Join(strings.Fields(strings.Repeat("a-rather-long-name-of-a-job ", 250)), "|") + `"}`,
		"instances": `{instance=~"` + strings.Join(instances, "|") + `"}`,
		"repeats":   `{job=~"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"}`,
		"letters":   `{job=~"(?i)[\\p{L}\\p{N}_-]{1,64}"}`,
	} {
		if _, err := Parse([]string{selector}, guard.SelectorLimits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The worst that is taken, for a short text: what has to be waited for when
// the client has gone.
func BenchmarkWorst(b *testing.B) {
	for name, selector := range map[string]string{
		"steps":   `{job=~"(.?){300}(.?){300}(.?){300}(.?){300}.*x"}`,
		"classes": `{job=~"(.*\\pL){50}x"}`,
	} {
		b.Run(name, func(b *testing.B) {
			s, err := Parse([]string{selector}, guard.SelectorLimits{})
			if err != nil {
				b.Fatal(err)
			}
			k := key(b, strings.Repeat("a", maxWhole))
			for b.Loop() {
				s.Matches(b.Context(), k)
			}
		})
	}
}
