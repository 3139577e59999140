package deflate

import "math/bits"

const (
	literalSymbols  = 286 // with those for the end and for lengths
	distanceSymbols = 30
	endOfBlock      = 256
	firstLength     = 257
	maxLength       = 258
	minLength       = 3
	maxBits         = 15 // of a code
)

// counts are how often symbols occur.
type counts struct {
	literals  [literalSymbols]uint32
	distances [distanceSymbols]uint32
}

// table has the codes of blocks. It is immutable.
type table struct {
	counts    counts
	literals  [256]code
	end       code
	lengths   [maxLength + 1]code // with the bits that say which of a symbol's lengths
	distances [distanceSymbols]code
	head      bitWriter // of a block
}

// newTable returns codes for content, of which the first bytes up to rest are
// sequences. All symbols of the table before it, which may be nil, have codes.
func newTable(before *table, content []byte, found []sequence, rest int) *table {
	t := new(table)
	if before != nil {
		t.counts = before.counts
		t.counts.halve()
	}
	t.counts.add(content, found, rest)
	var lengths [literalSymbols + distanceSymbols]uint8
	codeLengths(lengths[:literalSymbols], t.counts.literals[:], maxBits)
	codeLengths(lengths[literalSymbols:], t.counts.distances[:], maxBits)
	var codes [literalSymbols]code
	assign(codes[:], lengths[:literalSymbols])
	assign(t.distances[:], lengths[literalSymbols:])
	copy(t.literals[:], codes[:])
	t.end = codes[endOfBlock]
	for n := minLength; n <= maxLength; n++ {
		symbol, extra, extraBits := lengthSymbol(n)
		c := codes[symbol]
		t.lengths[n] = code{c.bits | extra<<c.n, c.n + extraBits}
	}
	t.head.putHead(lengths[:])
	return t
}

// halve lets older content count less.
func (c *counts) halve() {
	for i, n := range c.literals {
		c.literals[i] = (n + 1) / 2
	}
	for i, n := range c.distances {
		c.distances[i] = (n + 1) / 2
	}
}

// add counts the symbols of content. All lengths and distances count once more:
// any can occur in the next piece.
func (c *counts) add(content []byte, found []sequence, rest int) {
	for i := range c.literals[firstLength:] {
		c.literals[firstLength+i]++
	}
	for i := range c.distances {
		c.distances[i]++
	}
	c.literals[endOfBlock]++
	at := 0
	for _, s := range found {
		c.addLiterals(content[at : at+int(s.literals)])
		at += int(s.literals) + int(s.length)
		distance, _ := distanceSymbol(s.back)
		for left := int(s.length); left > 0; {
			n := nextLength(left)
			symbol, _, _ := lengthSymbol(n)
			c.literals[symbol]++
			c.distances[distance]++
			left -= n
		}
	}
	c.addLiterals(content[rest:])
}

func (c *counts) addLiterals(content []byte) {
	for _, b := range content {
		c.literals[b]++
	}
}

// nextLength returns how much of a repeat its next code stands for: so much that
// what is left is nothing, or enough for a code.
func nextLength(left int) int {
	if left <= maxLength {
		return left
	}
	return min(maxLength, left-minLength)
}

// lengthSymbol returns the symbol of a length and the bits that follow it.
func lengthSymbol(length int) (symbol int, extra uint32, extraBits uint8) {
	if length == maxLength {
		return literalSymbols - 1, 0, 0
	}
	n := uint32(length - minLength)
	if n < 8 {
		return firstLength + int(n), 0, 0
	}
	e := bits.Len32(n) - 3
	return firstLength + 4*(e+1) + int(n>>e&3), n & (1<<e - 1), uint8(e)
}

// distanceSymbol returns the symbol of a distance less 1, and how many of its
// lowest bits follow.
func distanceSymbol(back uint16) (symbol int, extraBits uint8) {
	if back < 4 {
		return int(back), 0
	}
	e := bits.Len16(back) - 2
	return 2*(e+1) + int(back>>e&1), uint8(e)
}
