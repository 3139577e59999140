package main

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/pflag"
	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/cat"
	"github.com/u-root/u-root/pkg/core/chmod"
	"github.com/u-root/u-root/pkg/core/cp"
	"github.com/u-root/u-root/pkg/core/ls"
	"github.com/u-root/u-root/pkg/core/mkdir"
	"github.com/u-root/u-root/pkg/core/mv"
	"github.com/u-root/u-root/pkg/core/rm"
	"github.com/u-root/u-root/pkg/core/touch"
	"mvdan.cc/sh/v3/interp"
)

// programs are the programs that this binary is under names other than that of a
// shell.
var programs = map[string]func(args []string) error{
	"cat":   utility(cat.New()),
	"chmod": utility(chmod.New()),
	"cp":    utility(cp.New()),
	"grep":  func(args []string) error { return grep(args, os.Stdin, os.Stdout) },
	"ls":    utility(ls.New()),
	"mkdir": utility(mkdir.New()),
	"mv":    utility(mv.New()),
	"nc":    nc,
	"rm":    utility(rm.New()),
	"sleep": sleep,
	"touch": utility(touch.New()),
}

// utility returns a program of the library.
func utility(c core.Command) func(args []string) error {
	return func(args []string) error {
		c.SetIO(os.Stdin, os.Stdout, os.Stderr)
		return failed(c.Run(args...))
	}
}

// failure is an error that makes a program exit with 1, as the programs of
// busybox do.
type failure struct{ error }

func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// nc connects to a port. With -z it checks whether the port is open. Otherwise it
// sends its input and writes the answer.
func nc(args []string) error {
	flags := pflag.NewFlagSet("nc", pflag.ContinueOnError)
	look := flags.BoolP("zero", "z", false, "check whether the port is open")
	flags.BoolP("verbose", "v", false, "accepted and ignored")
	flags.BoolP("numeric", "n", false, "accepted and ignored")
	seconds := flags.IntP("wait", "w", 30, "seconds to wait for a connection")
	if err := flags.Parse(args); err != nil {
		return help(err)
	}
	if flags.NArg() != 2 {
		return failed(errors.New("a host or a port is missing; write both, like nc -z localhost 9091"))
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(flags.Arg(0), flags.Arg(1)), time.Duration(*seconds)*time.Second)
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	if *look {
		return nil
	}
	return failed(converseWith(conn.(*net.TCPConn)))
}

func converseWith(conn *net.TCPConn) error {
	go func() {
		io.Copy(conn, os.Stdin)
		conn.CloseWrite()
	}()
	_, err := io.Copy(os.Stdout, conn)
	return err
}

// help returns exit code 0 for a request for help, which was answered already.
func help(err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return interp.ExitStatus(0)
	}
	return err
}
