package gateway

import (
	"github.com/tidwall/btree"

	"pushgateway/internal/grouping"
)

// failures knows the groups that exist only through failures, and which client
// failed. Gateway.mu guards it.
type failures struct {
	groups  map[grouping.Key]failure
	order   *btree.BTreeG[failure] // grouped by client, oldest first
	used    map[string]int         // bytes, by client
	clients *btree.BTreeG[usage]
	bytes   int
	most    int // bytes
	least   int // that each group counts for
}

// failure is a group that exists only through failures.
type failure struct {
	client string // the group's FailedBy
	at     int64  // the last time, in Unix ns
	key    grouping.Key
	bytes  int // bytes that it counts for
}

// usage is what the failures of one client take.
type usage struct {
	bytes  int
	client string
}

func newFailures(l Limits) failures {
	return failures{
		most:   l.FailedBytes,
		least:  max(1, l.FailedBytes/l.Failed),
		groups: make(map[grouping.Key]failure),
		order:  btree.NewBTreeGOptions(failure.less, btree.Options{NoLocks: true}),
		used:   make(map[string]int),
		clients: btree.NewBTreeGOptions(func(a, b usage) bool {
			return a.bytes < b.bytes || a.bytes == b.bytes && a.client < b.client
		}, btree.Options{NoLocks: true}),
	}
}

func (f failure) less(g failure) bool {
	switch {
	case f.client != g.client:
		return f.client < g.client
	case f.at != g.at:
		return f.at < g.at
	}
	return f.key < g.key
}

// owner returns the client that a group counts for once client has failed for
// it. If several clients have, it is the one that takes less without it, so
// that nobody can take over a group to push it out.
func (f *failures) owner(key grouping.Key, client string) string {
	was, had := f.groups[key]
	if had && f.used[was.client]-was.bytes <= f.used[client] {
		return was.client
	}
	return client
}

// move applies the new state of a group, nil if it has ended.
func (f *failures) move(key grouping.Key, group *Group) {
	if was, had := f.groups[key]; had {
		f.remove(was)
	}
	if group != nil && group.failedOnly() {
		f.add(failure{group.FailedBy, group.Failed.UnixNano(), key, max(failureSize(group), f.least)})
	}
}

// failureSize is what a group counts for: its lines in a scrape, which contain
// its key, and the reason.
func failureSize(g *Group) int {
	size := len(g.Failure)
	for _, b := range g.Times() {
		size += len(b.Text())
	}
	return size
}

func (f *failures) add(g failure) {
	if _, has := f.groups[g.key]; has {
		return
	}
	f.groups[g.key] = g
	f.order.Set(g)
	f.count(g.client, g.bytes)
}

func (f *failures) remove(g failure) {
	delete(f.groups, g.key)
	f.order.Delete(g)
	f.count(g.client, -g.bytes)
}

func (f *failures) count(client string, bytes int) {
	f.bytes += bytes
	before := f.used[client]
	f.clients.Delete(usage{before, client})
	if before+bytes == 0 {
		delete(f.used, client)
		return
	}
	f.used[client] = before + bytes
	f.clients.Set(usage{before + bytes, client})
}

// take removes and returns groups while they take too much, but no more than
// most. Each time it takes the oldest group of the client that takes most.
func (f *failures) take(most int) (oldest []failure) {
	for f.bytes > f.most && len(oldest) < most {
		largest, _ := f.clients.Max()
		f.order.Ascend(failure{client: largest.client, at: minTime}, func(g failure) bool {
			oldest = append(oldest, g)
			return false
		})
		f.remove(oldest[len(oldest)-1])
	}
	return oldest
}

// minTime is before all times.
const minTime = -1 << 63
