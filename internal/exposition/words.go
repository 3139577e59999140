package exposition

import "math/bits"

// Texts are looked through eight bytes at a time: as a word, whose first byte is
// the lowest. A search that goes on byte by byte ends at another place in each line,
// which the processor cannot foresee.

const (
	wordSize = 8
	lowBits  = 0x7f7f7f7f7f7f7f7f
	highBits = 0x8080808080808080
	ones     = 0x0101010101010101
)

// wordOf returns the first eight bytes of s.
func wordOf(s string) uint64 {
	_ = s[7] // the only check of the bounds
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// blanks has the highest bit of each byte that is a blank or a control character.
func blanks(word uint64) uint64 {
	const rest = 0x80 - (' ' + 1) // makes a byte beyond the blank at least 0x80
	return ^((word&lowBits + rest*ones) | word) & highBits
}

// digitsIn has the highest bit of each byte that is a digit.
func digitsIn(word uint64) uint64 {
	const fromZero, beyondNine = 0x80 - '0', 0x80 - ('9' + 1)
	low := word & lowBits
	return (low + fromZero*ones) &^ (low + beyondNine*ones) &^ word & highBits
}

// firstByte returns the place of the first byte of which some bit is set, or 8.
func firstByte(word uint64) int { return bits.TrailingZeros64(word) / 8 }

// lastByte returns the place of the last byte of which some bit is set, or -1.
func lastByte(word uint64) int { return (63 - bits.LeadingZeros64(word)) >> 3 }

// blankFrom returns where the first blank or control character is from a place on,
// or the length of s.
func blankFrom(s string, at int) int {
	for ; at+wordSize <= len(s); at += wordSize {
		if found := blanks(wordOf(s[at:])); found != 0 {
			return at + firstByte(found)
		}
	}
	for at < len(s) && s[at] > ' ' {
		at++
	}
	return at
}

// blankBefore returns where the last blank or control character is before a place,
// or -1.
func blankBefore(s string, at int) int {
	for ; at >= wordSize; at -= wordSize {
		if found := blanks(wordOf(s[at-wordSize:])); found != 0 {
			return at - wordSize + lastByte(found)
		}
	}
	for at--; at >= 0 && s[at] > ' '; {
		at--
	}
	return at
}

// commonPrefix returns how many bytes at the beginning of a and b are equal.
func commonPrefix(a, b string) int {
	const word = wordSize
	most := min(len(a), len(b))
	for len(a) >= 4*word && len(b) >= 4*word {
		first, second := wordOf(a)^wordOf(b), wordOf(a[word:])^wordOf(b[word:])
		third, fourth := wordOf(a[2*word:])^wordOf(b[2*word:]), wordOf(a[3*word:])^wordOf(b[3*word:])
		if first|second|third|fourth != 0 {
			break
		}
		a, b = a[4*word:], b[4*word:]
	}
	for len(a) >= word && len(b) >= word {
		if differing := wordOf(a) ^ wordOf(b); differing != 0 {
			return most - min(len(a), len(b)) + bits.TrailingZeros64(differing)/8
		}
		a, b = a[word:], b[word:]
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return most - min(len(a), len(b)) + n
}
