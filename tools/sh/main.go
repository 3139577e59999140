// Command sh is the shell of the container image, for health checks, hooks and
// entrypoints that were written for an image with busybox:
//
//	sh -c 'wget -q --spider http://localhost:9091/-/healthy || exit 1'
//
// It implements the language and the builtins of bash. Under other names it is
// one of the few programs that such scripts run; see programs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// grace is how long a program may take to end when the shell is asked to: as
// long as the gateway may.
const grace = 45 * time.Second

func main() {
	run := programs[filepath.Base(os.Args[0])]
	if run == nil {
		run = func(args []string) error { return sh(context.Background(), args) }
	}
	os.Exit(exitCode(run(os.Args[1:])))
}

// errEnded says that the shell was asked to end while a program ran.
var errEnded = errors.New("asked to end")

// exitCode is what a shell ends with.
func exitCode(err error) int {
	var status interp.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, errEnded):
		return 128 + int(syscall.SIGTERM)
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
	if errors.As(err, new(failure)) {
		return 1
	}
	return 2
}

// sh runs a script: what follows -c, a file, or what comes in.
func sh(ctx context.Context, args []string) error {
	options, command, args := split(args)
	if command {
		if len(args) == 0 {
			return errors.New("-c: there is no script; write it behind, as one argument")
		}
		script, name := args[0], "sh"
		if args = args[1:]; len(args) > 0 {
			name, args = args[0], args[1:]
		}
		return runScript(ctx, strings.NewReader(script), name, append(options, args...))
	}
	if len(args) > 0 {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return runScript(ctx, f, args[0], append(options, args[1:]...))
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return converse(ctx, options)
	}
	return runScript(ctx, os.Stdin, "sh", options)
}

// split takes the options from the front of the arguments, and -c from these.
// The options end with --, so that parameters can follow.
func split(args []string) (options []string, command bool, rest []string) {
	for len(args) > 0 && len(args[0]) > 1 && strings.ContainsAny(args[0][:1], "-+") {
		option := args[0]
		args = args[1:]
		if option == "--" {
			break
		}
		letters := strings.Map(func(r rune) rune {
			switch r {
			case 'c':
				command = true
				return -1
			case 'l', 'i', 's':
				return -1 // there is nothing to log in to, or to ask
			}
			return r
		}, option)
		if len(letters) > 1 {
			options = append(options, letters)
		}
		if strings.HasSuffix(letters, "o") && len(args) > 0 {
			options, args = append(options, args[0]), args[1:]
		}
	}
	return append(options, "--"), command, args
}

func newRunner(params []string) (*interp.Runner, error) {
	return interp.New(
		interp.StdIO(os.Stdin, os.Stdout, os.Stderr),
		interp.Params(params...),
		interp.CallHandler(replace),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return start }),
	)
}

// start runs a program, and ends it when the shell is asked to end. At other
// times nothing catches the signals: they end the shell at once.
func start(ctx context.Context, args []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := interp.DefaultExecHandler(grace)(ctx, args)
	if ctx.Err() != nil {
		return errEnded
	}
	return err
}

// runScript runs a script that knows itself by a name.
func runScript(ctx context.Context, script io.Reader, name string, params []string) error {
	r, err := newRunner(params)
	if err != nil {
		return err
	}
	parsed, err := syntax.NewParser().Parse(script, name)
	if err != nil {
		return err
	}
	return r.Run(ctx, parsed)
}

// converse reads commands from a terminal.
func converse(ctx context.Context, params []string) error {
	r, err := newRunner(params)
	if err != nil {
		return err
	}
	parser := syntax.NewParser()
	fmt.Print("$ ")
	for statements, err := range parser.InteractiveSeq(os.Stdin) {
		if err != nil {
			return err
		}
		if parser.Incomplete() {
			fmt.Print("> ")
			continue
		}
		for _, s := range statements {
			if err := r.Run(ctx, s); r.Exited() {
				return err
			}
		}
		fmt.Print("$ ")
	}
	return nil
}

// replace runs the command of exec in the place of the shell, so that a gateway
// which a script starts gets the signals that are meant for it. The library
// would start a second process.
func replace(ctx context.Context, args []string) ([]string, error) {
	if args[0] != "exec" || len(args) == 1 || !plain(interp.HandlerCtx(ctx)) {
		return args, nil
	}
	h := interp.HandlerCtx(ctx)
	path, err := interp.LookPathDir(h.Dir, h.Env, args[1])
	if err != nil {
		return args, nil // the library says what is wrong
	}
	if err := os.Chdir(h.Dir); err != nil {
		return nil, err
	}
	return nil, syscall.Exec(path, args[1:], environment(h))
}

// plain tells whether a command has the input and output of the shell itself.
func plain(h interp.HandlerContext) bool {
	return h.Stdin == os.Stdin && h.Stdout == os.Stdout && h.Stderr == os.Stderr
}

// environment is what commands get of the variables.
func environment(h interp.HandlerContext) []string {
	var all []string
	for name, v := range h.Env.Each {
		if v.Exported && v.IsSet() {
			all = append(all, name+"="+v.String())
		}
	}
	return all
}

// sleep waits as long as all its arguments together say: seconds, or a number
// with s, m, h or d.
func sleep(args []string) error {
	var total time.Duration
	for _, s := range args {
		d, err := parseDuration(s)
		if err != nil {
			return err
		}
		total += d
	}
	if len(args) == 0 {
		return errors.New("there is no time to sleep; write a number of seconds, like 5")
	}
	time.Sleep(total)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	switch {
	case s == "infinity":
		return 1<<63 - 1, nil
	case strings.HasSuffix(s, "d"):
		days, err := parseDuration(strings.TrimSuffix(s, "d"))
		return 24 * 3600 * days, err
	case s != "" && strings.ContainsAny(s[len(s)-1:], "0123456789."):
		s += "s"
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time; write a number of seconds, like 5, or 2m", s)
	}
	return d, nil
}
