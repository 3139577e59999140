package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// place is a place in a file. Both count from 1; 0 is unknown.
type place struct{ line, column int }

// Error is one mistake in a file.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 is unknown
	Key          string // like limits.max_series or rules[1].match, or ""
	Msg          string // what is wrong, and what to do
}

// Error returns the mistake with its place.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	for _, n := range []int{e.Line, e.Column} {
		if n > 0 {
			fmt.Fprintf(&b, ":%d", n)
		}
	}
	if e.Key != "" {
		fmt.Fprintf(&b, ": %s", e.Key)
	}
	return b.String() + ": " + e.Msg
}

// Errors are all mistakes in a file, in its order.
type Errors []*Error

// maxErrors is how many mistakes an error text has. The rest is likely to follow
// from these.
const maxErrors = 10

// Error returns one line for each mistake.
func (e Errors) Error() string {
	var lines []string
	for _, mistake := range e[:min(len(e), maxErrors)] {
		lines = append(lines, mistake.Error())
	}
	if more := len(e) - maxErrors; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more; mend these first", more))
	}
	return strings.Join(lines, "\n")
}

// Mistake returns an error about a key of the file, like limits.max_series. Use
// it for what only the rest of the program can know.
func (c *Config) Mistake(key, format string, args ...any) *Error {
	e := &Error{File: c.file, Key: key, Msg: fmt.Sprintf(format, args...)}
	for ; key != ""; key = parent(key) {
		if at, ok := c.at[key]; ok {
			e.Line, e.Column = at.line, at.column
			break
		}
	}
	return e
}

// Says reports whether the file has a key, like limits.max_series.
func (c *Config) Says(key string) bool {
	_, ok := c.at[key]
	return ok
}

// parent returns the key that contains another: rules for rules[1], which is
// that of rules[1].match.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// Summary says how much the file sets.
func (c *Config) Summary() string {
	limits, users := 0, 0
	for key := range c.at {
		if strings.HasPrefix(key, "limits.") {
			limits++
		}
	}
	if c.Access != nil {
		users = len(c.Access.Users)
	}
	said := numberOf(limits, "limit") + ", " + numberOf(len(c.Rules), "rule") + ", " + numberOf(users, "user")
	if len(c.Jobs) > 0 {
		said += ", " + numberOf(len(c.Jobs), "rule") + " of jobs"
	}
	if c.Cluster != nil {
		said += ", a cluster"
	}
	return said
}

func numberOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sorted returns the mistakes in the order of the file, or nil if there are
// none.
func sorted(mistakes Errors) error {
	if len(mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(mistakes, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return mistakes
}
