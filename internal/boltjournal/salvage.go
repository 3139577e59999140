package boltjournal

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

// salvage puts, in the place of a damaged file, one that has what is whole,
// and gives it opened. A file without damage stays.
func (j *Journal) salvage(ctx context.Context, f *os.File) (*os.File, error) {
	s, err := replay(ctx, f, func([]gateway.Applied) {}, func(int, int) {})
	if err != nil || len(s.faults) == 0 {
		return f, err
	}
	whole, err := wholeEntries(f, s)
	if err != nil {
		return f, err
	}
	aside, err := KeepAside(j.Path, "damaged", time.Now())
	if err != nil {
		return f, fmt.Errorf("keeping the damaged file aside: %w", err)
	}
	if info, err := f.Stat(); err == nil { // an older meta page counts fewer pages
		s.meta.pages = max(s.meta.pages, uint64(info.Size())/uint64(s.meta.pageSize))
	}
	before := "unknown"
	if s.hasState {
		before = strconv.FormatUint(s.state.groups, 10)
	}
	leftovers := s.leftovers(whole)
	whole = inOrder(append(whole, leftovers...))
	for _, e := range whole {
		s.state.revision = max(s.state.revision, e.revision())
	}
	if !s.hasState {
		s.state.imported = j.Origin
	}
	if err := (File{Path: j.Path}).create(&s.state, slices.Values(whole)); err != nil {
		if stillAt(j.Path, f) == nil {
			_ = os.Remove(aside) // a second name or a copy, of which each attempt would leave one
		}
		return f, fmt.Errorf("writing what is whole: %w", err)
	}
	j.tellOf(s.faults, leftovers, aside)
	j.Logger.Error("Salvage: going on with the records that are whole", "groups", s.state.groups, "groups_before", before, "damaged_file", aside)
	_ = f.Close() // only read
	return openLocked(j.Path, exclusive)
}

// maxTold bounds the lines about each kind of what salvage meets: of a large file
// half may be gone.
const maxTold = 1000

func (j *Journal) tellOf(faults []Fault, leftovers []entry, aside string) {
	for i, x := range faults {
		if i == maxTold {
			j.Logger.Error("Salvage: more parts of the journal are lost; `pushgateway verify` lists them", "faults", len(faults)-i, "file", aside)
			break
		}
		j.Logger.Error("Salvage: a part of the journal is lost", "page", x.Page, "group", excerpt.Line(x.Key, excerpt.Most), "fault", x.Msg)
	}
	for i, e := range leftovers {
		if i == maxTold {
			j.Logger.Error("Salvage: more groups are taken from such pages", "groups", len(leftovers)-i)
			break
		}
		j.Logger.Error("Salvage: this group is taken from a page that nothing leads to any more: it may be older than its last push, or have been deleted since", "group", e.key.Excerpt(), "revision", e.revision())
	}
}

// revision is that of a record which is known to be whole.
func (e entry) revision() gateway.Revision {
	r, _ := record.Check(e.rec, e.key)
	return r
}

// entries gives the whole records of a file in the order of their keys, each
// key once: in a damaged file an old page may have come back, and then the
// newer record counts. They are those that were found before, or there is an
// error: what is made of them takes the place of the file.
func entries(f *os.File, before *scan) ([]entry, error) {
	var all []entry
	s, err := scanFile(f, func(r stored) { all = append(all, entry{r.key, r.rec}) })
	switch {
	case err != nil:
		return nil, err
	case s.groups == before.groups && s.sum == before.sum:
		return inOrder(all), nil
	}
	for _, x := range s.faults {
		if !slices.Contains(before.faults, x) {
			return nil, fmt.Errorf("%w: %s", errNotAgain, x)
		}
	}
	return nil, errNotAgain
}

var errNotAgain = fmt.Errorf("%w: what could be read a moment ago cannot be read again, and nothing has been changed", ErrDamaged)

func inOrder(all []entry) []entry {
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(strings.Compare(string(a.key), string(b.key)), cmp.Compare(b.revision(), a.revision()))
	})
	return slices.CompactFunc(all, func(a, b entry) bool { return a.key == b.key })
}

// wholeEntries leaves out the groups that could not be decoded.
func wholeEntries(f *os.File, before *scan) ([]entry, error) {
	broken := make(map[string]bool)
	for _, x := range before.faults {
		broken[x.Key] = true
	}
	all, err := entries(f, before)
	return slices.DeleteFunc(all, func(e entry) bool { return broken[e.key.String()] }), err
}

// leftovers gives, if groups have been lost, the newest whole record of each
// group that was not found. They lie in pages that nothing refers to: behind a
// damaged page, or from before a change that is in no page any more.
func (s *scan) leftovers(found []entry) (left []entry) {
	if s.hasState && uint64(len(found)) >= s.state.groups {
		return nil
	}
	have := make(map[grouping.Key]bool, len(found))
	for _, e := range found {
		have[e.key] = true
	}
	s.fault = func(Fault) {} // these pages need not be whole
	for id := uint64(2); id < s.meta.pages; id++ {
		if s.seen[id] {
			continue
		}
		pg, ok := s.read(id)
		if !ok || pg.kind != leafPage {
			continue
		}
		s.walkLeaf(pg, bounds{}, func(e element) {
			key := grouping.Key(e.key)
			if _, err := record.Check(e.value, key); err == nil && !have[key] {
				left = append(left, entry{key, e.value})
			}
		})
	}
	return inOrder(left)
}
