package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/vsock"
)

// Open listens on an address. Closing the listener removes the file of a unix
// socket.
func Open(ctx context.Context, a Address) (net.Listener, error) {
	switch a.Network {
	case "unix":
		return openUnix(ctx, a)
	case "vsock":
		port, err := strconv.ParseUint(a.Port, 10, 32)
		if err != nil {
			return nil, err
		}
		return vsock.Listen(uint32(port), nil)
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(a.Host, a.Port))
}

// openUnix sets the mode before the file exists where the system can do that,
// so that nobody else connects in the meantime.
func openUnix(ctx context.Context, a Address) (net.Listener, error) {
	if err := removeStale(ctx, a.Path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return restrict(c, a.Mode) }}
	l, err := config.Listen(ctx, "unix", a.Path)
	if err != nil {
		return nil, explain(a.Path, err)
	}
	inner := l.(*net.UnixListener)
	inner.SetUnlinkOnClose(false) // it would remove a file that another process has made since
	err = os.Chmod(a.Path, a.Mode)
	made, statErr := os.Lstat(a.Path)
	if err := errors.Join(err, statErr); err != nil {
		return nil, errors.Join(fmt.Errorf("setting the mode of the socket: %w", err), l.Close())
	}
	return &unixListener{UnixListener: inner, path: a.Path, made: made}, nil
}

// unixListener removes its file when it is closed.
type unixListener struct {
	*net.UnixListener
	path string
	made fs.FileInfo
	once sync.Once
}

func (l *unixListener) Close() error {
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(l.made, now) {
			_ = os.Remove(l.path) // otherwise the next start does
		}
	})
	return l.UnixListener.Close()
}

// answerTimeout bounds how long to try whether somebody listens on a socket.
const answerTimeout = 5 * time.Second

// removeStale removes a socket on which nobody listens any more. Any other file
// at the path stays, and is an error.
func removeStale(ctx context.Context, path string) error {
	found, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return explain(path, err)
	}
	if found.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket; move it away, or use another path", path)
	}
	c, err := (&net.Dialer{Timeout: answerTimeout}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		defer c.Close()
		return fmt.Errorf("%s listens on %s; stop it, or use another path", owner(c), path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("checking whether another process listens on %s: %w; stop that process, or use another path", path, err)
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(found, now) {
		return fmt.Errorf("another process has just replaced %s; stop it, or use another path", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing the socket of a process that has ended: %w; remove it, or use another path", err)
	}
	return nil
}

// explain adds what to do to an error about a socket's path.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; another process has just made %s: stop it, or use another path", err, path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; create the directory of the socket first", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let the user of the gateway write to the directory of the socket", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; a part of the path is not a directory", err)
	}
	return err
}
