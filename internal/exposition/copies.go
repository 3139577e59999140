package exposition

import "unsafe"

// Sharing gives the block with its name and its help text in these copies, which
// say the same, so that many blocks need not each have its own. The block
// itself stays as it is; it is what comes out if it has these copies already.
// Otherwise the block that comes out has memory of its own.
func (b *Block) Sharing(name, help string) *Block {
	if isCopy(b.Name, name) && isCopy(b.Help, help) {
		return b
	}
	c := b.alone()
	c.Name, c.Help = name, help
	return c
}

// Apart returns the block with memory of its own.
func (b *Block) Apart() *Block {
	if b.mates == 0 {
		return b
	}
	return b.alone()
}

// alone returns a copy that shares no memory with the mates of the block.
func (b *Block) alone() *Block {
	c := &Block{
		Name: b.Name, Help: b.Help, text: b.text, more: b.more, proto: b.proto, series: b.series, tooLong: b.tooLong, era: b.era,
		pattern: b.pattern, part: b.part, order: b.order, Type: b.Type, EmptyHelp: b.EmptyHelp, Unit: b.Unit, Legacy: b.Legacy, open: b.open,
	}
	if b.mates > 0 {
		c.text = textCopy(b.text)
	}
	c.made.Store(b.made.Load())
	c.hashes.Store(b.hashes.Load())
	return c
}

// isCopy tells whether two strings are one copy in memory.
func isCopy(a, b string) bool {
	return len(a) == len(b) && (a == "" || unsafe.StringData(a) == unsafe.StringData(b))
}
