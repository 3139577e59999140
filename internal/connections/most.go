package connections

import "pushgateway/internal/guard"

// forFiles is how many open files are reserved: for the journal, its copies,
// listeners, and connections that are being closed.
const forFiles = 128

// Fitting lowers limits to the number of connections that this process can serve.
func Fitting(l guard.ConnectionLimits) guard.ConnectionLimits {
	l = l.WithDefaults()
	if files := fileLimit(); files > 0 {
		l.Connections = max(1, min(l.Connections, files-min(forFiles, files/3)))
	}
	return l
}
