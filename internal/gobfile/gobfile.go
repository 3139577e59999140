// Package gobfile reads and writes the persistence file of Pushgateway 1.11
// (and of 1.5, which is the same), so that groups can move between that program
// and this one.
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
// The series in the file already have their grouping labels and an instance.
// The times of a group's pushes are two of its families, push_time_seconds and
// push_failure_time_seconds, with the value 0 for none. The encoding has no
// checksum, so not all damage is detectable. What we add is in receipts.go.
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
	// ErrTruncated means that a file ends too early.
	ErrTruncated = errors.New("the file is truncated")
	// ErrDamaged means that a file does not hold what a Pushgateway writes.
	ErrDamaged = errors.New("the file is damaged, or not one of a Pushgateway")
)

// SniffLen is how many bytes of a file Is needs.
const SniffLen = 20

// Is reports whether a file that starts with head, its first SniffLen bytes,
// may be a persistence file: it must start by defining a map. That
// distinguishes it from other kinds of files. It does not prove that the file
// is readable.
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

// File is the readable content of a persistence file.
type File struct {
	// Groups are sorted by key. Their revisions count from 1 in the order of age.
	// So of two families that cannot both be exposed, the one pushed first wins.
	// Each family's claim and each group's Since has its own revision, in the
	// order of time, key and name. A group is as old as its oldest time.
	// Group.Revision is the highest revision in the group.
	Groups []*gateway.Group
	// Receipts are those that the file has, oldest first. Only files of this
	// program have any.
	Receipts []gateway.Receipt
	// Problems lists what was not imported, sorted by key and family; at most
	// 10,000.
	Problems []Problem
	// Unlisted is the number of further problems.
	Unlisted int
}

// maxProblems bounds the list of problems of one file.
const maxProblems = 10_000

// Problem is a part of a file that was left out because it would break every
// scrape or is not understood.
type Problem struct {
	Key    grouping.Key // as in the file; it may be invalid
	Family string       // empty if the problem is about the whole group
	Err    error        // names the family, but not the group
}

// Read reads a file. It leaves out and lists families that scrapes could not
// expose, and takes the rest. An error means that nothing was taken; it wraps
// ErrTruncated or ErrDamaged unless r failed. Read ignores what follows the
// value, unless it is receipts. In addition to the result, it takes a few times the memory of the
// largest group in the file, whatever the file claims. r need not be buffered.
func Read(r io.Reader) (*File, error) {
	t := newTaker()
	defer t.parser.Release()
	in := newReader(r)
	if err := in.eachGroup(t.take); err != nil {
		return nil, fmt.Errorf("reading a persistence file: %w", err)
	}
	receipts, err := in.readReceipts()
	if err != nil {
		return nil, fmt.Errorf("reading a persistence file: %w", err)
	}
	f := t.finish()
	f.Receipts = receipts
	return f, nil
}

// finish sorts the groups and assigns their revisions.
func (t *taker) finish() *File {
	slices.SortStableFunc(t.groups, func(a, b *gateway.Group) int { return strings.Compare(string(a.Key), string(b.Key)) })
	groups := t.groups[:0]
	for _, g := range t.groups {
		if len(groups) > 0 && groups[len(groups)-1].Key == g.Key {
			t.report(g.Key, "", errors.New("it occurs twice; the first one is used"))
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
