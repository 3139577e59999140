//go:build !linux

package listen

import (
	"net"
	"os"
	"syscall"
)

// owner returns who listens at the other end of a connection.
func owner(net.Conn) string { return "another process" }

// restrict does nothing: the mode of a socket without a file cannot be set here.
func restrict(syscall.RawConn, os.FileMode) error { return nil }
