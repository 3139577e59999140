package config

import (
	"context"
	"fmt"

	"pushgateway/internal/grouping"
)

// Rules are the rules of a file, in its order.
type Rules []Rule

// For returns the first rule that matches a grouping key, or nil. The key must
// be decoded. It is the only way to look up a rule.
func (r Rules) For(key grouping.Key) *Rule {
	for i := range r {
		if r[i].Match.Matches(key) {
			return &r[i]
		}
	}
	return nil
}

// Where names a key of the rule for messages, like rules[0].ttl.
func (r *Rule) Where(key string) string { return fmt.Sprintf("rules[%d].%s", r.Index, key) }

// Names returns the names of the labels that the selector looks at, sorted.
func (s Selector) Names() []string { return s.set.Names() }

// Matches reports whether the selector selects a grouping key.
func (s Selector) Matches(key grouping.Key) bool { return s.set.Matches(context.Background(), key) }
