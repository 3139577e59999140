package natstest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Network is some hosts that can be cut off from each other: network namespaces
// on a bridge. It exists only within Apart.
type Network struct{ t testing.TB }

// inside is the variable that tells a test that it runs apart.
const inside = "NATSTEST_APART"

// Apart runs the calling test again in a process with namespaces of its own, in
// which it may make a network, and reports whether this is that process. The
// test must return if it is not. It is skipped where namespaces are not allowed.
func Apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		return true
	}
	if err := isolated("ip", "link", "add", "probe", "type", "bridge").Run(); err != nil {
		t.Skipf("this machine allows no namespaces with a network: %v", err)
	}
	args := []string{"-test.run=^" + t.Name() + "$"}
	flag.Visit(func(f *flag.Flag) {
		if !slices.Contains([]string{"test.run", "test.paniconexit0", "test.testlogfile"}, f.Name) {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	cmd := isolated(os.Args[0], args...)
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Errorf("apart: %v", err)
	}
	return false
}

// isolated returns a command that will run as root of namespaces of its own.
func isolated(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// NewNetwork makes n hosts. The test itself reaches all of them, always.
func NewNetwork(t testing.TB, n int) *Network {
	t.Helper()
	net := &Network{t}
	net.must("mount", "--make-rprivate", "/")
	net.must("mount", "-t", "tmpfs", "tmpfs", "/run")
	net.must("ip", "link", "set", "lo", "up")
	net.must("ip", "link", "add", "switch", "type", "bridge")
	net.must("ip", "addr", "add", net.Address(n)+"/24", "dev", "switch")
	net.must("ip", "link", "set", "switch", "up")
	for i := range n {
		host, port := hostName(i), fmt.Sprint("port", i)
		net.must("ip", "netns", "add", host)
		net.must("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
		net.must("ip", "link", "set", port, "master", "switch", "up")
		net.must("ip", "-n", host, "addr", "add", net.Address(i)+"/24", "dev", "eth0")
		net.must("ip", "-n", host, "link", "set", "eth0", "up")
		net.must("ip", "-n", host, "link", "set", "lo", "up")
	}
	return net
}

func hostName(i int) string { return fmt.Sprint("host", i) }

// Address returns the address of a host.
func (*Network) Address(i int) string { return fmt.Sprint("10.99.0.", i+1) }

// Command returns a command that runs on a host.
func (*Network) Command(i int, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", hostName(i), name}, args...)...)
}

// Drop loses all packets from one host to another without a word, until Pass.
func (n *Network) Drop(from, to int) {
	n.t.Helper()
	const nobody = "02:00:00:00:00:01" // a hardware address that no host has
	n.must("ip", "-n", hostName(from), "neigh", "replace", n.Address(to), "lladdr", nobody, "dev", "eth0", "nud", "permanent")
}

// Pass undoes Drop.
func (n *Network) Pass(from, to int) {
	n.t.Helper()
	n.must("ip", "-n", hostName(from), "neigh", "del", n.Address(to), "dev", "eth0")
}

func (n *Network) must(name string, args ...string) {
	n.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
