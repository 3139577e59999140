package selector

import (
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"

	"pushgateway/internal/excerpt"
)

const (
	// classSize is how many ranges of a character class take as long as one
	// instruction.
	classSize = 32
	// maxWhole is the longest text, in bytes, that is matched without checking
	// whether the client still waits.
	maxWhole = 1000
)

// matcher is one condition on a label. The value is one text, one of a few, or
// matched by a regexp. Go's own regexps take time linear in their size and in
// the text. Those of Prometheus have shortcuts, some of which can take its
// square.
type matcher struct {
	name  string
	not   bool
	value string
	set   map[string]bool
	re    *regexp.Regexp
}

func (b *budget) matcher(name string, operator parser.ItemType, value string) (matcher, error) {
	m := matcher{name: name, value: value, not: operator == parser.NEQ || operator == parser.NEQ_REGEX}
	if operator != parser.EQL_REGEX && operator != parser.NEQ_REGEX {
		return m, nil
	}
	if m.set = literals(value); m.set != nil {
		return m, nil
	}
	parsed, err := syntax.Parse(value, syntax.Perl|syntax.DotNL)
	if err != nil {
		return m, fmt.Errorf("has a regexp for %q that is invalid: %w", excerpt.Of(name), err)
	}
	if b.program += size(parsed, b.limits.Program); b.program > b.limits.Program {
		return m, fmt.Errorf("has a regexp for %q that takes, with those before it, more than the %d instructions allowed in a request; write fewer or smaller repeats like {1,100}, or list whole values, like {job=~\"a|b\"}", excerpt.Of(name), b.limits.Program)
	}
	m.re, err = regexp.Compile("^(?s:" + parsed.String() + ")$")
	return m, err
}

// literals returns the texts that a regexp like a|b matches, or nil for any
// other regexp.
func literals(re string) map[string]bool {
	texts := strings.Split(re, "|")
	set := make(map[string]bool, len(texts))
	for _, text := range texts {
		if regexp.QuoteMeta(text) != text {
			return nil
		}
		set[text] = true
	}
	return set
}

// size returns about how many instructions a regexp compiles to, including its
// repeats, but hardly more than most.
func size(re *syntax.Regexp, most int) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 2 / classSize
	}
	for _, sub := range re.Sub {
		n = min(n+size(sub, most), most+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min+1, re.Max)
	}
	return min(n, most+1)
}

func (m *matcher) matches(s Search, text string) bool {
	switch {
	case m.set != nil:
		return m.set[text] != m.not
	case m.re == nil:
		return (text == m.value) != m.not
	case len(text) <= maxWhole:
		return m.re.MatchString(text) != m.not
	}
	return m.re.MatchReader(&reader{search: s, rest: text}) != m.not
}

// Search is what a text is matched for. A context.Context is one.
type Search interface {
	// Err returns why it has ended, or nil. It is called again and again while a
	// match takes long, so it may wait to let others go on.
	Err() error
}

// reader reads a text until the search ends.
type reader struct {
	search Search
	rest   string
	read   int // characters
}

func (r *reader) ReadRune() (c rune, size int, err error) {
	const often = 32 // characters
	if r.read++; r.rest == "" || r.read%often == 0 && r.search.Err() != nil {
		return 0, 0, io.EOF
	}
	c, size = utf8.DecodeRuneInString(r.rest)
	r.rest = r.rest[size:]
	return c, size, nil
}
