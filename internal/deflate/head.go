package deflate

// lengthOrder is the order of the code lengths of code lengths.
var lengthOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

const (
	lengthSymbols = 19
	maxLengthBits = 7
	// The symbols for repeats of the last length, and of few and many zeros.
	again, zeros, manyZeros = 16, 17, 18
)

// lengthRun is a symbol for code lengths, with the bits that follow it.
type lengthRun struct {
	symbol    uint8
	extra     uint8
	extraBits uint8
}

// putHead puts the head of a block with dynamic codes, as in RFC 1951, section
// 3.2.7.
func (w *bitWriter) putHead(lengths []uint8) {
	runs := lengthRuns(lengths)
	var counts [lengthSymbols]uint32
	for _, r := range runs {
		counts[r.symbol]++
	}
	var of [lengthSymbols]uint8
	codeLengths(of[:], counts[:], maxLengthBits)
	n := lengthSymbols
	for n > 4 && of[lengthOrder[n-1]] == 0 {
		n--
	}
	const notLast, dynamic = 0, 2
	w.put(notLast|dynamic<<1, 3)
	w.put(literalSymbols-firstLength, 5)
	w.put(distanceSymbols-1, 5)
	w.put(uint32(n-4), 4)
	for _, symbol := range lengthOrder[:n] {
		w.put(uint32(of[symbol]), 3)
	}
	var codes [lengthSymbols]code
	assign(codes[:], of[:])
	for _, r := range runs {
		w.put(codes[r.symbol].bits, codes[r.symbol].n)
		w.put(uint32(r.extra), r.extraBits)
	}
}

func lengthRuns(lengths []uint8) (runs []lengthRun) {
	for len(lengths) > 0 {
		n := 1
		for n < len(lengths) && lengths[n] == lengths[0] {
			n++
		}
		if lengths[0] == 0 {
			runs = appendZeros(runs, n)
		} else {
			runs = appendSame(runs, lengths[0], n)
		}
		lengths = lengths[n:]
	}
	return runs
}

func appendZeros(runs []lengthRun, n int) []lengthRun {
	for ; n >= 11; n -= min(n, 138) {
		runs = append(runs, lengthRun{manyZeros, uint8(min(n, 138) - 11), 7})
	}
	if n >= 3 {
		return append(runs, lengthRun{zeros, uint8(n - 3), 3})
	}
	for range n {
		runs = append(runs, lengthRun{})
	}
	return runs
}

func appendSame(runs []lengthRun, length uint8, n int) []lengthRun {
	runs = append(runs, lengthRun{symbol: length})
	for n--; n >= 3; n -= min(n, 6) {
		runs = append(runs, lengthRun{again, uint8(min(n, 6) - 3), 2})
	}
	for range n {
		runs = append(runs, lengthRun{symbol: length})
	}
	return runs
}
