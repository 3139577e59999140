package browser

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// oldGroup was pushed to some time ago. Its labels stand as in a path.
type oldGroup struct {
	job, labels string
	age         time.Duration
	body        string
	ttl         time.Duration // 0 for ever
}

// past writes a persistence file of groups as they were pushed long ago.
func past(t testing.TB, groups []oldGroup) (file string) {
	t.Helper()
	var list []*gateway.Group
	for _, g := range groups {
		list = append(list, g.restore(t))
	}
	slices.SortFunc(list, func(a, b *gateway.Group) int { return cmp.Compare(a.Key, b.Key) })
	list = slices.CompactFunc(list, func(a, b *gateway.Group) bool { return a.Key == b.Key })
	file = filepath.Join(t.TempDir(), "metrics")
	if err := (boltjournal.File{Path: file, MustBeNew: true}).Create(slices.Values(list)); err != nil {
		t.Fatal(err)
	}
	return file
}

func (g oldGroup) restore(t testing.TB) *gateway.Group {
	t.Helper()
	key, err := grouping.Decoder{}.Decode(strings.TrimSuffix("job/"+g.job+"/"+g.labels, "/"))
	if err != nil {
		t.Fatal(err)
	}
	p := exposition.GetParser()
	defer p.Release()
	parsed, err := p.ParseText([]byte(g.body))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := exposition.Render(parsed, exposition.Options{Grouping: key.Labels(), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-g.age)
	group := gateway.Group{Key: key, Pushed: at}
	if g.ttl > 0 {
		group.Expires = at.Add(g.ttl)
	}
	for _, b := range blocks {
		group.Families = append(group.Families, gateway.Held{Block: b, Pushed: at})
	}
	slices.SortFunc(group.Families, func(a, b gateway.Held) int { return cmp.Compare(a.Name, b.Name) }) // as journals want it
	return gateway.Restore(group)
}
