//go:build unix

package connections

import "syscall"

// fileLimit returns how many files and connections the process may have open,
// or 0 if that is unknown.
func fileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}
