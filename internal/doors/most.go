package doors

const (
	// maxConns bounds connections if the limit of open files does not. A header
	// takes up to about 200 kB while it arrives.
	maxConns = 1024
	// forFiles is how many open files are reserved: for the journal, its copies,
	// listeners, and connections that are being closed.
	forFiles = 128
)

// Most returns how many connections this process can serve.
func Most() int {
	limit := fileLimit()
	if limit == 0 {
		return maxConns
	}
	return max(1, min(maxConns, limit-min(forFiles, limit/3)))
}
