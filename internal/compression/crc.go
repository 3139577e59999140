package compression

import (
	"hash/crc32"
	"math/bits"
)

// The CRC of two texts in a row follows from theirs. A CRC is a polynomial over
// GF(2) modulo that of crc32.IEEE, with the coefficient of x^0 in the highest bit,
// and to append n bytes is to multiply by x^8n.

const one = 1 << 31 // the polynomial 1

// combineCRC returns the CRC of a text followed by another one, for which shift
// is shiftOf its length.
func combineCRC(first, second, shift uint32) uint32 { return multiply(shift, first) ^ second }

// shifts has x^8n for each n that is a power of two.
var shifts = func() (all [bits.UintSize]uint32) {
	all[0] = one >> 8
	for i := 1; i < len(all); i++ {
		all[i] = multiply(all[i-1], all[i-1])
	}
	return all
}()

// shiftOf returns x^8n.
func shiftOf(n int) uint32 {
	power := uint32(one)
	for i := 0; n>>i > 0; i++ {
		if n>>i&1 != 0 {
			power = multiply(power, shifts[i])
		}
	}
	return power
}

// multiply multiplies two polynomials.
func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&one != 0 {
			product ^= b
		}
		odd := b & 1
		if b >>= 1; odd != 0 {
			b ^= crc32.IEEE
		}
	}
	return product
}
