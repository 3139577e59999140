// Package selector selects groups by their grouping labels, as PromQL does with
// series, and bounds the cost: selectors come from clients, and a short one can
// take more than a minute of a core.
package selector

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// Set is a set of selectors, of which any may match. The zero value selects
// every group.
type Set struct{ selectors [][]matcher }

// Parse parses the selectors of one request, like {job="backup"}. Its cost is
// bounded, however long the texts are.
func Parse(texts []string, limits guard.SelectorLimits) (Set, error) {
	limits = limits.WithDefaults()
	if n := len(texts); n > limits.Selectors {
		return Set{}, fmt.Errorf("there are %d match[] parameters, more than the %d allowed; put values into one selector, like {job=~\"a|b\"}", n, limits.Selectors)
	}
	if err := checkLengths(texts, limits); err != nil {
		return Set{}, err
	}
	var s Set
	b := budget{limits: limits}
	for _, text := range texts {
		matchers, err := b.parse(text)
		if err != nil {
			return Set{}, fmt.Errorf("match[]=%q %w", excerpt.Of(text), err)
		}
		s.selectors = append(s.selectors, matchers)
	}
	return s, nil
}

// ParseOne parses one selector. Its error is the end of a sentence about the
// selector.
func ParseOne(text string, limits guard.SelectorLimits) (Set, error) {
	limits = limits.WithDefaults()
	if len(text) > limits.Length {
		return Set{}, fmt.Errorf("has %d bytes, more than the %d allowed; list fewer values", len(text), limits.Length)
	}
	b := budget{limits: limits}
	matchers, err := b.parse(text)
	if err != nil {
		return Set{}, err
	}
	return Set{selectors: [][]matcher{matchers}}, nil
}

func checkLengths(texts []string, limits guard.SelectorLimits) error {
	all := 0
	for _, text := range texts {
		if len(text) > limits.Length {
			return fmt.Errorf("match[]=%q has %d bytes, more than the %d allowed; list fewer values, or use several requests", excerpt.Of(text), len(text), limits.Length)
		}
		all += len(text)
	}
	if all > limits.Lengths {
		return fmt.Errorf("all match[] together have %d bytes, more than the %d allowed; use several requests", all, limits.Lengths)
	}
	return nil
}

// budget counts what the selectors of one request have used.
type budget struct {
	limits            guard.SelectorLimits
	matchers, program int
}

var errName = errors.New("contains a metric name, which groups do not have; select by grouping labels, like {job=\"backup\"}")

func (b *budget) parse(text string) ([]matcher, error) {
	plain, operators := withoutRegexps(text)
	parsed, err := parser.NewParser(parser.Options{}).ParseMetricSelector(plain)
	if err != nil {
		return nil, fmt.Errorf("is not a selector like {job=\"backup\"}: %w", err)
	}
	if b.matchers += len(parsed); b.matchers > b.limits.Matchers {
		return nil, fmt.Errorf("makes %d matchers, with those before it, but only %d are allowed; put values into one, like {job=~\"a|b\"}", b.matchers, b.limits.Matchers)
	}
	matchers := make([]matcher, len(parsed))
	for i, m := range parsed {
		operator := parser.ItemType(parser.EQL) // of a name before the braces, which comes last
		if i < len(operators) {
			operator = operators[i]
		}
		if matchers[i], err = b.matcher(m.Name, operator, m.Value); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(matchers, wantsName) {
		return nil, errName
	}
	return matchers, nil
}

// withoutRegexps returns a selector of the same length with = and != instead of
// =~ and !~, and the operators of its matchers. Prometheus' parser would
// compile each regexp before its size could be checked.
func withoutRegexps(text string) (plain string, operators []parser.ItemType) {
	b := []byte(text)
	before := parser.ItemType(parser.EOF)
	lexer := parser.Lex(text)
	for {
		var item parser.Item
		lexer.NextItem(&item)
		switch item.Typ {
		case parser.EOF, parser.ERROR:
			return string(b), operators
		case parser.COMMENT:
			continue
		case parser.STRING:
			if before == parser.LEFT_BRACE || before == parser.COMMA { // the name of a label or of a metric
				operators = append(operators, parser.EQL)
			}
		case parser.EQL, parser.NEQ, parser.EQL_REGEX, parser.NEQ_REGEX:
			if before == parser.STRING && len(operators) > 0 {
				operators = operators[:len(operators)-1]
			}
			operators = append(operators, item.Typ)
			switch item.Typ {
			case parser.EQL_REGEX:
				b[item.Pos+1] = ' '
			case parser.NEQ_REGEX:
				b[item.Pos+1] = '='
			}
		}
		before = item.Typ
	}
}

// wantsName reports whether no group can match since the matcher is for a
// metric name, as with backup for {job="backup"}.
func wantsName(m matcher) bool {
	return m.name == metric.NameLabel && !m.matches(context.Background(), "")
}

// Matches reports whether any of the selectors selects a key. A label that the
// key does not have counts as empty, as in Prometheus. Once the search has ended,
// Matches returns soon, and its result means nothing.
func (s Set) Matches(search Search, key grouping.Key) bool {
	return len(s.selectors) == 0 || slices.ContainsFunc(s.selectors, func(matchers []matcher) bool { return selects(search, matchers, key) })
}

// Names returns the names of the labels that the selectors look at, sorted.
func (s Set) Names() []string {
	var names []string
	for _, matchers := range s.selectors {
		for _, m := range matchers {
			names = append(names, m.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func selects(search Search, matchers []matcher, key grouping.Key) bool {
	for i := range matchers {
		value, _ := key.Value(matchers[i].name)
		if !matchers[i].matches(search, value) {
			return false
		}
	}
	return true
}
