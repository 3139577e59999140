package exposition

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"unsafe"
)

// Merge returns a family with the series of two blocks of the same name. If both
// have a series, that of pushed replaces the other. New series follow the stored
// ones. The help text and the unit are those of pushed unless they are empty. Neither block
// changes. maxBytes bounds the result; 0 means no bound. Merge takes its memory
// from the budget, and returns all of it except that of the result.
//
// Series are copied, not parsed. So a family that has needed protobuf keeps it
// until it is replaced. Finding out whether it still needs it would take parsing
// all of it, and small pushes could cause that again and again.
func Merge(stored, pushed *Block, maxBytes int, budget Budget) (*Block, error) {
	if stored.Type != pushed.Type {
		return nil, invalid(pushed.Name, "its type is %s in the group, but %s in this push, so their series cannot be merged; push the same type, or replace the family without merge=series", stored.Type, pushed.Type)
	}
	m := merger{stored: stored, pushed: pushed}
	m.memory.budget = budget
	defer m.memory.giveBack()
	if err := m.match(); err != nil {
		return nil, err
	}
	size, err := m.measure()
	if err != nil {
		return nil, err
	}
	if maxBytes > 0 && size.sum() > maxBytes {
		return nil, tooLargeInScrapes(maxBytes)
	}
	const hash = 8
	held := tab{budget: budget}
	if err := held.take(size.held() + heldSize + len(stored.Help) + len(pushed.Help) + hash*(stored.Series()+pushed.Series())); err != nil {
		return nil, err
	}
	held.settle()
	return m.copied(size), nil
}

// merger merges the series of one block into those of another.
type merger struct {
	stored, pushed *Block
	memory         tab
	from, with     *placer  // of stored and pushed
	brought        []place  // the series of pushed
	replaces       []bool   // whether stored has each of these too
	replaced       []change // in the order of stored
	plain          bool     // the result needs no protobuf
}

// change is a series of stored, and the number of the series that replaces it.
type change struct {
	old place
	by  int
}

// match finds the series that both blocks have.
func (m *merger) match() (err error) {
	m.plain = m.stored.more == nil && m.pushed.more == nil &&
		(m.stored.open == m.pushed.open || m.stored.series == 0 || m.pushed.series == 0)
	if m.from, err = m.places(m.stored); err != nil {
		return err
	}
	if m.with, err = m.places(m.pushed); err != nil {
		return err
	}
	table, err := m.bring()
	if err != nil {
		return err
	}
	for at, more := m.from.next(place{}); more; at, more = m.from.next(at) {
		labels := at.labels.of(m.stored.text)
		i := table.find(maphash.Bytes(seed, labels), func(i int) bool {
			return bytes.Equal(m.brought[i].labels.of(m.pushed.text), labels)
		})
		if i < 0 {
			continue
		}
		if err := m.memory.take(2 * int(unsafe.Sizeof(change{}))); err != nil {
			return err
		}
		m.replaced = append(m.replaced, change{at, i})
		m.replaces[i] = true
	}
	return nil
}

// places returns the places of a block. If the result needs protobuf, they
// include those in its protobuf.
func (m *merger) places(b *Block) (*placer, error) {
	p := b.places()
	switch {
	case m.plain:
		return p, nil
	case b.more != nil:
		p.proto, p.orderly = b.more.proto, b.delimited()
		return p, nil
	}
	if err := m.memory.take(b.proto); err != nil {
		return nil, err
	}
	p.proto = b.AppendProto(make([]byte, 0, b.proto))
	p.orderly = p.proto
	return p, nil
}

// bring finds the places of the pushed series and returns a table of their label
// sets.
func (m *merger) bring() (table seriesTable, err error) {
	if err := m.memory.take(m.pushed.Series() * (1 + int(unsafe.Sizeof(place{})))); err != nil {
		return table, err
	}
	m.brought, m.replaces = make([]place, 0, m.pushed.series), make([]bool, m.pushed.series)
	for at, more := m.with.next(place{}); more; at, more = m.with.next(at) {
		if err := table.grow(m.memory.take); err != nil {
			return table, err
		}
		table.add(maphash.Bytes(seed, at.labels.of(m.pushed.text)), len(m.brought))
		m.brought = append(m.brought, at)
	}
	return table, nil
}

// mergedSize is the size of the parts of a merged block, in bytes.
type mergedSize struct {
	text, proto, orderly int
	plain                bool
	leftOut              int
}

// sum returns the size that counts towards the bound of a push.
func (s mergedSize) sum() int {
	if s.leftOut == 0 {
		return s.text + s.proto
	}
	return s.text + s.proto + s.orderly
}

// held returns the memory of the block, in bytes.
func (s mergedSize) held() int {
	if s.plain {
		return s.text
	}
	return s.sum()
}

func (m *merger) measure() (size mergedSize, err error) {
	size.plain = m.plain
	size.text = len(m.stored.text) + len(m.pushed.text)
	size.proto = m.stored.proto + m.pushed.proto
	size.orderly = len(m.from.orderly) + len(m.with.orderly)
	size.leftOut = m.stored.leftOut() + m.pushed.leftOut()
	for _, c := range m.replaced {
		size.text -= c.old.text.len()
		size.proto -= c.old.proto.len()
		size.orderly -= c.old.orderly.len()
		if c.old.orderly.len() < c.old.proto.len() {
			size.leftOut--
		}
	}
	if m.plain {
		replaced, err := m.replacedProto()
		size.proto -= replaced
		return size, err
	}
	return size, nil
}

// replacedProto returns the length of the protobuf that the replaced series of a
// plain block would have.
func (m *merger) replacedProto() (size int, err error) {
	old := &Block{Name: m.stored.Name, Type: m.stored.Type, open: m.stored.open}
	for _, c := range m.replaced {
		old.series++
		size += c.old.text.len()
	}
	if err := m.memory.take(size); err != nil || size == 0 {
		return 0, err
	}
	old.text = make([]byte, 0, size)
	for _, c := range m.replaced {
		old.text = append(old.text, c.old.text.of(m.stored.text)...)
	}
	return old.plainSize(), nil
}

// copied returns the merged block.
func (m *merger) copied(size mergedSize) *Block {
	b := &Block{
		Name: m.pushed.Name, Help: m.pushed.Help, EmptyHelp: m.pushed.EmptyHelp, Unit: cmp.Or(m.pushed.Unit, m.stored.Unit), Type: m.pushed.Type,
		Legacy: m.stored.Legacy && m.pushed.Legacy,
		text:   m.splice(m.stored.text, m.pushed.text, size.text, func(at place) span { return at.text }),
		proto:  size.proto,
		series: m.stored.series + m.pushed.series - int32(len(m.replaced)),
	}
	if b.Help == "" {
		b.Help, b.EmptyHelp = m.stored.Help, m.stored.EmptyHelp || m.pushed.EmptyHelp && m.stored.Help == ""
	}
	if known := m.stored.hashes.Load(); known != nil {
		hashes := joinHashes(*known, m.pushed.Hashes())
		b.hashes.Store(&hashes)
	}
	if m.plain {
		b.open = m.stored.open || m.pushed.open
		return b
	}
	b.more = &more{leftOut: size.leftOut}
	b.more.proto = m.splice(m.from.proto, m.with.proto, size.proto, func(at place) span { return at.proto })
	if size.leftOut > 0 {
		b.more.orderly = m.splice(m.from.orderly, m.with.orderly, size.orderly, func(at place) span { return at.orderly })
	}
	return b
}

// splice merges one form of the blocks, such as the text. in returns the span of
// a series in this form.
func (m *merger) splice(stored, pushed []byte, size int, in func(place) span) []byte {
	out := make([]byte, 0, size)
	done := 0
	for _, c := range m.replaced {
		old := in(c.old)
		out = append(out, stored[done:old.from]...)
		out = append(out, in(m.brought[c.by]).of(pushed)...)
		done = old.to
	}
	out = append(out, stored[done:]...)
	for i, at := range m.brought {
		if !m.replaces[i] {
			out = append(out, in(at).of(pushed)...)
		}
	}
	return out
}

// joinHashes returns the union of two sorted lists of hashes, sorted.
func joinHashes(a, b []uint64) []uint64 {
	out := make([]uint64, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			b = b[1:]
		}
	}
	return append(append(out, a...), b...)
}
