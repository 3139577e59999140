package listen_test

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushgateway/internal/listen"
)

func TestParse(t *testing.T) {
	unix := func(path string, mode fs.FileMode) listen.Address {
		return listen.Address{Network: "unix", Path: path, Mode: mode}
	}
	for _, c := range []struct {
		in      string
		want    listen.Address
		failure string // part of the error, if there is one
	}{
		{in: ":9091", want: listen.Address{Network: "tcp", Port: "9091"}},
		{in: "[::1]:9091", want: listen.Address{Network: "tcp", Host: "::1", Port: "9091"}},
		{in: "localhost:http", want: listen.Address{Network: "tcp", Host: "localhost", Port: "http"}},
		{in: "vsock://:9091", want: listen.Address{Network: "vsock", Port: "9091"}},
		{in: "unix:/run/a.sock", want: unix("/run/a.sock", 0o660)},
		{in: "unix:///run/a.sock", want: unix("/run/a.sock", 0o660)},
		{in: "unix:/run/a%20b%25", want: unix("/run/a b%", 0o660)},
		{in: "unix:/a?mode=0600", want: unix("/a", 0o600)},
		{in: "unix:/a?mode=777", want: unix("/a", 0o777)},
		{in: "9091", failure: "a host and a port, or a port alone"},
		{in: "::1:9091", failure: "[::1]:9091"},
		{in: "http://:9091", failure: "a host and a port"},
		{in: "vsock://:a", failure: "vsock://:9091"},
		{in: "unix:", failure: "must be absolute"},
		{in: "unix:a.sock", failure: "must be absolute"},
		{in: "unix://run/a.sock", failure: "must be absolute"},
		{in: "unix:/a#b", failure: "must be absolute"},
		{in: "unix:@a", failure: "abstract sockets have no permissions"},
		{in: "unix:/run/", failure: "must name a file"},
		{in: "unix:/a%00b", failure: "must name a file"},
		{in: "unix:/100%", failure: "%25 for a %"},
		{in: "unix:/" + strings.Repeat("a", 200), failure: "has 201 bytes, and the system allows"},
		{in: "unix:/a?mod=0660", failure: `unknown setting "mod" after the path; only mode exists`},
		{in: "unix:/a?mode=0660&owner=b", failure: `unknown setting "owner"`},
		{in: "unix:/a?mode=rw", failure: "one octal number"},
		{in: "unix:/a?mode=", failure: "one octal number"},
		{in: "unix:/a?mode=4777", failure: "one octal number"},
		{in: "unix:/a?mode=-1", failure: "one octal number"},
		{in: "unix:/a?mode=0600&mode=0660", failure: "one octal number"},
		{in: "unix:/a?mode=%zz", failure: "cannot be read"},
	} {
		got, err := listen.Parse(c.in)
		if c.failure == "" {
			if err != nil || got != c.want {
				t.Errorf("%s: got %+v, %v, want %+v", c.in, got, err, c.want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.failure) {
			t.Errorf("%s: got %v, want %q", c.in, err, c.failure)
		}
	}
}

func TestCollides(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{":9091", ":9091", true},
		{":9091", "127.0.0.1:9091", true},
		{"[::]:9091", "0.0.0.0:9091", true},
		{"127.0.0.1:9091", "[::1]:9091", false},
		{":9091", ":9092", false},
		{":0", ":0", false},
		{":9091", "vsock://:9091", false},
		{"vsock://:9091", "vsock://2:9091", true},
		{"unix:/a/b", "unix:/a/./b?mode=0600", true},
		{"unix:/a", "unix:/b", false},
	} {
		a, err := listen.Parse(c.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := listen.Parse(c.b)
		if err != nil {
			t.Fatal(err)
		}
		if a.Collides(b) != c.want || b.Collides(a) != c.want {
			t.Errorf("%s and %s: got %t and %t, want %t", a, b, a.Collides(b), b.Collides(a), c.want)
		}
	}
}

// inShort returns a path in a directory whose name is short enough for sockets.
func inShort(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "l")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, name)
}

func open(path string, mode fs.FileMode) (net.Listener, error) {
	return listen.Open(context.Background(), listen.Address{Network: "unix", Path: path, Mode: mode})
}

// TestSocketFiles opens sockets where something else is in the way.
func TestSocketFiles(t *testing.T) {
	stale := func(path string) error {
		l, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		return l.Close()
	}
	for _, c := range []struct {
		name, failure string
		before        func(path string) error
	}{
		{"nothing", "", func(string) error { return nil }},
		{"the socket of a dead process", "", stale},
		{"a socket that somebody listens on", "listens on", func(path string) error {
			l, err := net.Listen("unix", path)
			t.Cleanup(func() { l.Close() })
			return err
		}},
		{"a datagram socket", "checking whether another process listens", func(path string) error {
			c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			t.Cleanup(func() { c.Close() })
			return err
		}},
		{"a file", "is not a socket", func(path string) error { return os.WriteFile(path, []byte("kept"), 0o600) }},
		{"a directory", "is not a socket", func(path string) error { return os.Mkdir(path, 0o700) }},
		{"a link to a stale socket", "is not a socket", func(path string) error {
			if err := stale(path + ".to"); err != nil {
				return err
			}
			return os.Symlink(path+".to", path)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := inShort(t, "s")
			if err := c.before(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			l, err := open(path, 0o600)
			if c.failure != "" {
				if err == nil || !strings.Contains(err.Error(), c.failure) || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, want %q about %s", err, c.failure, path)
				}
				if after, _ := os.Lstat(path); !os.SameFile(before, after) {
					t.Error("the file was touched")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("got %v, %v", info, err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("the socket stays: %v", err)
			}
		})
	}
}

// TestCloseLeavesTheSocketOfAnother closes a listener whose file was replaced.
func TestCloseLeavesTheSocketOfAnother(t *testing.T) {
	path := inShort(t, "s")
	l, err := open(path, 0o777)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := open(path, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other one's socket is gone: %v", err)
	}
}

func TestPathsWithoutADirectory(t *testing.T) {
	if _, err := open(inShort(t, "missing/s"), 0o600); err == nil || !strings.Contains(err.Error(), "create the directory") {
		t.Errorf("got %v", err)
	}
}
