// Package gobfile reads and writes the persistence file of Pushgateway 1.11
// (and of 1.5, which is the same), so that groups can move between that
// program and this one.
//
// The file is one value in the encoding of package gob:
//
//	map[string]struct {                   // by grouping.Key
//		Labels  map[string]string         // the same labels as in the key
//		Metrics map[string]struct {       // by the name of the family
//			Timestamp            time.Time // of the push that brought it
//			GobbableMetricFamily *F       // encodes itself: io.prometheus.client.MetricFamily
//		}
//	}
//
// The series in it have their grouping labels and an instance already. The
// times of a group's pushes are two families among the others:
// push_time_seconds and push_failure_time_seconds, of value 0 where there was
// none. The encoding has no checksum: not all damage can be found.
package gobfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

var (
	// ErrTruncated says that a file ends before what it holds.
	ErrTruncated = errors.New("the file is cut off")
	// ErrDamaged says that a file does not hold what a Pushgateway writes.
	ErrDamaged = errors.New("the file is damaged, or not one of a Pushgateway")
)

// SniffLen is how many bytes of a file Is looks at.
const SniffLen = 20

// Is tells whether a file that starts with head, its first SniffLen bytes,
// can be a persistence file: it must start by defining a map. That is enough
// to tell it from other kinds of files, not to know that it can be read.
func Is(head []byte) bool {
	r := newReader(bytes.NewReader(head))
	if err := r.nextMessage(); err != nil {
		return false
	}
	id, err := r.int()
	if err != nil || id >= 0 {
		return false
	}
	kind, err := r.uint()
	return err == nil && kind == kindMap+1
}

// File is what could be read of a persistence file.
type File struct {
	// Groups are sorted by key. Their revisions are counted from 1, so that
	// what is older has a lower one: of two families that cannot both be
	// exposed, the one pushed first is. A family's claim and a group's Since
	// have one each, in the order of time, key and name; a group is as old as
	// the oldest time it has. Group.Revision is the highest of its own.
	Groups []*gateway.Group
	// Problems are what was not taken over, sorted by key and family; at most
	// MaxProblems.
	Problems []Problem
	// Unlisted is how many problems there are beyond those.
	Unlisted int
}

// MaxProblems bounds the list of problems of one file.
const MaxProblems = 10_000

// Problem is something in a file that was left out, because it would break
// every scrape or cannot be understood.
type Problem struct {
	Key    grouping.Key // as the file has it, which may be no valid one
	Family string       // empty if it is about the whole group
	Err    error        // names the family, but not the group
}

// Read reads a file. Families that scrapes could not show are left out and
// listed, the rest is taken; an error means that nothing is, and wraps
// ErrTruncated or ErrDamaged if it is not one of r. What follows on the value
// is not looked at. Beside the result Read takes memory for the largest group
// in the file, a few times over, whatever the file claims; r need not be
// buffered.
func Read(r io.Reader) (*File, error) {
	t := newTaker()
	defer t.parser.Release()
	if err := newReader(r).eachGroup(t.take); err != nil {
		return nil, fmt.Errorf("reading a persistence file: %w", err)
	}
	return t.finish(), nil
}

// finish sorts what was taken and gives it its revisions.
func (t *taker) finish() *File {
	slices.SortStableFunc(t.groups, func(a, b *gateway.Group) int { return strings.Compare(string(a.Key), string(b.Key)) })
	groups := t.groups[:0]
	for _, g := range t.groups {
		if len(groups) > 0 && groups[len(groups)-1].Key == g.Key {
			t.report(g.Key, "", errors.New("it comes twice; the first one is taken"))
			continue
		}
		groups = append(groups, g)
	}
	number(groups)
	slices.SortStableFunc(t.problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(string(a.Key), string(b.Key)), strings.Compare(a.Family, b.Family))
	})
	return &File{Groups: groups, Problems: t.problems, Unlisted: t.unlisted}
}
