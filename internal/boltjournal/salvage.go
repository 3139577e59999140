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

// salvage replaces a damaged file with one that holds its intact records, and
// returns that file, open. It keeps a file without damage.
func (j *Journal) salvage(ctx context.Context, f *os.File) (*os.File, error) {
	s, err := replay(ctx, f, func([]gateway.Applied) {}, func(int, int) {})
	if err != nil || len(s.faults) == 0 {
		return f, err
	}
	whole, err := wholeEntries(f, s)
	if err != nil {
		return f, err
	}
	aside, err := KeepAside(j.config.Path, "damaged", time.Now())
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
		s.state.imported = j.config.Origin
	}
	if err := (File{Path: j.config.Path, Receipts: slices.Values(s.receipts)}).create(&s.state, slices.Values(whole)); err != nil {
		if stillAt(j.config.Path, f) == nil {
			_ = os.Remove(aside) // a hard link or a copy; otherwise each attempt would leave one
		}
		return f, fmt.Errorf("writing the intact records: %w", err)
	}
	j.tellOf(s.faults, leftovers, aside)
	j.config.Logger.Error("Salvage: continuing with the intact records", "groups", s.state.groups, "groups_before", before, "damaged_file", aside)
	_ = f.Close() // only read
	return openLocked(j.config.Path, exclusive)
}

// maxTold bounds the log lines about each kind of damage: half of a large file
// may be gone.
const maxTold = 1000

func (j *Journal) tellOf(faults []Fault, leftovers []entry, aside string) {
	for i, x := range faults {
		if i == maxTold {
			j.config.Logger.Error("Salvage: further parts of the journal are lost; run pushgateway verify to list them", "faults", len(faults)-i, "file", aside)
			break
		}
		j.config.Logger.Error("Salvage: a part of the journal is lost", "page", x.Page, "group", excerpt.Line(x.Key, excerpt.Most), "fault", x.Msg)
	}
	for i, e := range leftovers {
		if i == maxTold {
			j.config.Logger.Error("Salvage: restored further groups from such pages", "groups", len(leftovers)-i)
			break
		}
		j.config.Logger.Error("Salvage: restored this group from a page that is no longer in use; it may be out of date, or may have been deleted", "group", e.key.Excerpt(), "revision", e.revision())
	}
}

// revision returns the revision of an intact record.
func (e entry) revision() gateway.Revision {
	r, _ := record.Check(e.rec, e.key)
	return r
}

// entries returns the intact records of a file in the order of their keys, each
// key once. In a damaged file an old page may have come back; then the newer
// record counts. It fails unless it finds the same records as before, since the
// result replaces the file.
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

var errNotAgain = fmt.Errorf("%w: reading it a second time gave a different result; the file was not changed", ErrDamaged)

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

// leftovers returns the newest intact record of each group that was not found,
// if groups were lost. These records lie in pages that nothing refers to: below
// a damaged page, or left over from a change that is in no page any more.
func (s *scan) leftovers(found []entry) (left []entry) {
	if s.hasState && uint64(len(found)) >= s.state.groups {
		return nil
	}
	have := make(map[grouping.Key]bool, len(found))
	for _, e := range found {
		have[e.key] = true
	}
	s.fault = func(Fault) {} // these pages need not be intact
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
