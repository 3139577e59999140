package exposition

import (
	"bytes"
	"hash/maphash"

	"pushgateway/internal/metric"
)

// Finder finds series of a block by their labels. To make it takes reading what tells
// all of them apart; the rest is read only of those that are found. It is for one
// goroutine.
type Finder struct {
	block  *Block
	from   *placer
	table  seriesTable
	places []place
}

// Finder returns a finder for the block.
func (b *Block) Finder() *Finder {
	f := &Finder{block: b, from: b.places(), places: make([]place, 0, b.series)}
	if b.more != nil {
		f.from.proto, f.from.orderly = b.more.proto, b.delimited()
	}
	free := func(int) error { return nil }
	for at, more := f.from.next(place{}); more; at, more = f.from.next(at) {
		_ = f.table.grow(free)
		f.table.add(maphash.Bytes(seed, at.labels.of(b.text)), len(f.places))
		f.places = append(f.places, at)
	}
	return f
}

// Find returns where the block has the series with exactly these labels, sorted by
// name: its number, from 0. It is -1 if there is none.
func (f *Finder) Find(labels []metric.Label) (number int) {
	want := f.block.lineLabels(labels)
	return f.table.find(maphash.Bytes(seed, want), func(i int) bool {
		return bytes.Equal(f.places[i].labels.of(f.block.text), want)
	})
}

// Series returns the series with a number.
func (f *Finder) Series(number int) (found metric.Series) {
	b, at := f.block, f.places[number]
	one := &Block{Name: b.Name, Type: b.Type, open: b.open, series: 1, text: at.text.of(b.text)}
	if b.more != nil {
		one.more = &more{proto: at.proto.of(b.more.proto)}
	}
	for s := range one.EachSeries {
		found = s
	}
	return found
}
