package testproc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddress returns an address with a FreePort.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", FreePort(t))
}

// FreePort returns a port that nobody listens on at 127.0.0.1. Until the test ends
// no other test gets it, in this process or another, so a server can be stopped and
// started again there. It is below the ports that Linux gives to connections and to
// who listens on port 0: 32768 to 60999.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10000 + rand.IntN(32768-10000)
		addr := fmt.Sprint("127.0.0.1:", port)
		// TCP and UDP count their ports apart. That of UDP says that a test has that of TCP.
		held, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			t.Cleanup(func() { _ = held.Close() })
			return port
		}
		_ = held.Close()
	}
	t.Fatal("a thousand ports from 10000 to 32767 are taken")
	return 0
}
