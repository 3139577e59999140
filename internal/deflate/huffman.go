package deflate

import (
	"cmp"
	"math/bits"
	"slices"
)

// code is the code of a symbol, first bit lowest.
type code struct {
	bits uint32
	n    uint8 // 0 if the symbol has none
}

// node is a node of a Huffman tree.
type node struct {
	count  uint32
	symbol int // -1 if it has children
	parent int
}

// codeLengths sets the length of each symbol's code, in bits, by how often it
// occurs. Those that do not occur get none.
func codeLengths(lengths []uint8, counts []uint32, most uint8) {
	for shift := 0; !tryCodeLengths(lengths, counts, most, shift); shift++ {
	}
}

// tryCodeLengths divides the counts by a power of two first, which makes the
// lengths more equal. It reports whether none exceeds the most.
func tryCodeLengths(lengths []uint8, counts []uint32, most uint8, shift int) bool {
	clear(lengths)
	nodes := leaves(counts, shift)
	if len(nodes) == 1 {
		lengths[nodes[0].symbol] = 1
	}
	if len(nodes) <= 1 {
		return true
	}
	nodes = withParents(nodes)
	depths := make([]uint8, len(nodes))
	for i := len(nodes) - 2; i >= 0; i-- {
		depths[i] = depths[nodes[i].parent] + 1
		if depths[i] > most {
			return false
		}
		if s := nodes[i].symbol; s >= 0 {
			lengths[s] = depths[i]
		}
	}
	return true
}

// leaves returns a node for each symbol that occurs, the rarest first.
func leaves(counts []uint32, shift int) []node {
	nodes := make([]node, 0, 2*len(counts))
	for s, n := range counts {
		if n > 0 {
			nodes = append(nodes, node{count: n>>shift | 1, symbol: s})
		}
	}
	slices.SortFunc(nodes, func(a, b node) int { return cmp.Compare(a.count, b.count) })
	return nodes
}

// withParents completes the tree. The root is the last node, and each node comes
// before its parent.
func withParents(nodes []node) []node {
	all := len(nodes)
	leaf, inner := 0, all
	rarest := func() *node {
		if leaf == all || inner < len(nodes) && nodes[inner].count < nodes[leaf].count {
			inner++
			return &nodes[inner-1]
		}
		leaf++
		return &nodes[leaf-1]
	}
	for len(nodes) < 2*all-1 {
		a, b := rarest(), rarest()
		a.parent, b.parent = len(nodes), len(nodes)
		nodes = append(nodes, node{count: a.count + b.count, symbol: -1})
	}
	return nodes
}

// assign sets the codes of symbols by their lengths, as in RFC 1951, section
// 3.2.2.
func assign(codes []code, lengths []uint8) {
	var next [maxBits + 1]uint32 // the next code of each length
	for _, n := range lengths {
		if n > 0 {
			next[n]++
		}
	}
	first, before := uint32(0), uint32(0)
	for n := range next {
		first = (first + before) << 1
		before, next[n] = next[n], first
	}
	for s, n := range lengths {
		codes[s] = code{}
		if n > 0 {
			codes[s] = code{bits.Reverse32(next[n]) >> (32 - n), n}
			next[n]++
		}
	}
}
