package gateway

import (
	"hash/maphash"
	"strings"

	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// shape is the set of label names of a grouping key. Two groups of the same
// shape never have equal series, since each series has all labels of its group.
// Groups of different shapes may, if the series of each have the labels of the
// other.
type shape struct {
	id    string
	names []string // sorted
	mask  uint64   // a bit for each name, to rule out shapes quickly
	users int
	// groups is how many groups of this shape count as stored.
	groups int
}

// shapes holds the shapes of all groups, each once.
type shapes map[string]*shape

// idOf returns the id of the shape of a key with these labels.
func idOf(labels []metric.Label) string {
	var b strings.Builder
	for _, l := range labels {
		b.WriteString(l.Name)
		b.WriteByte(0xff)
	}
	return b.String()
}

// find returns the shape of a key, or nil if it is not in use.
func (s shapes) find(key grouping.Key) *shape { return s[idOf(key.Labels())] }

// use returns the shape of a key and counts its use.
func (s *shapes) use(key grouping.Key) *shape {
	labels := key.Labels()
	id := idOf(labels)
	if *s == nil {
		*s = make(shapes)
	}
	sh := (*s)[id]
	if sh == nil {
		sh = &shape{id: id}
		for _, l := range labels {
			name := strings.Clone(l.Name)
			sh.names = append(sh.names, name)
			sh.mask |= nameBit(name)
		}
		(*s)[sh.id] = sh
	}
	sh.users++
	return sh
}

// shapeOf returns the shape of a key, or nil if it is not in use. old is the group
// with that key, or nil.
func (x *index) shapeOf(key grouping.Key, old *Group) *shape {
	if old != nil {
		return old.shape
	}
	return x.shapes.find(key)
}

// useOf is use for the key of a group that was stored before. It is quicker if the
// group is still stored. old may be nil.
func (s *shapes) useOf(key grouping.Key, old *Group) *shape {
	if old != nil && old.shape.users > 0 {
		old.shape.users++
		return old.shape
	}
	return s.use(key)
}

// release undoes one use.
func (s *shapes) release(sh *shape) {
	if sh.users--; sh.users == 0 {
		delete(*s, sh.id)
	}
}

var nameSeed = maphash.MakeSeed()

func nameBit(name string) uint64 { return 1 << (maphash.String(nameSeed, name) % 64) }

// mask is the union of the bits of label names.
func mask(labels []metric.Label) (m uint64) {
	for _, l := range labels {
		m |= nameBit(l.Name)
	}
	return m
}

// project returns the key that a group of this shape must have to own a series
// with these labels, written over key. It returns nil if there is none.
func (sh *shape) project(key []byte, labels []metric.Label) []byte {
	key = key[:0]
	i := 0
	for _, name := range sh.names {
		for i < len(labels) && labels[i].Name < name {
			i++
		}
		if i == len(labels) || labels[i].Name != name {
			return nil
		}
		key = grouping.AppendLabel(key, name, labels[i].Value)
	}
	return key
}
