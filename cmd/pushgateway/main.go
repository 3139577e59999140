// Command pushgateway keeps the metrics that short-lived jobs push, and
// exposes them to Prometheus.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
)

func main() {
	tuneGC()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it. It gives the exit
// code: 1 for what went wrong, 2 for a command line that cannot be used.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseArgs(args, stdout, stderr)
	var done exit
	switch {
	case errors.As(err, &done):
		return int(done)
	case err != nil:
		fmt.Fprintf(stderr, "pushgateway: %v\n", err)
		return 2
	}
	if err := serve(ctx, c); err != nil {
		fmt.Fprintf(stderr, "pushgateway: %v\n", err)
		return 1
	}
	return 0
}

// exit is the error of a command line that has been dealt with.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// parse runs kingpin without letting it end the process.
func parse(app *kingpin.Application, args []string, stdout, stderr io.Writer) (command string, err error) {
	ended := -1
	app.UsageWriter(stdout).ErrorWriter(stderr).Terminate(func(code int) {
		if ended < 0 {
			ended = code
		}
	})
	command, err = app.Parse(args)
	if ended >= 0 {
		return "", exit(ended)
	}
	if err != nil {
		return "", fmt.Errorf("%w; see pushgateway --help", err)
	}
	return command, nil
}
