package doors

const (
	// maxConns bounds connections where the limit of files does not. A header
	// takes up to some 200 kB while it comes.
	maxConns = 1024
	// forFiles is what is kept free below the limit of files: for the journal,
	// copies of it, listeners, and connections that are just being closed.
	forFiles = 128
)

// Most is how many connections this process can serve.
func Most() int {
	limit := fileLimit()
	if limit == 0 {
		return maxConns
	}
	return max(1, min(maxConns, limit-min(forFiles, limit/3)))
}
