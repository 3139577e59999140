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
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if filepath.Base(os.Args[0]) == "wget" {
		os.Exit(runWget(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit codes.
const (
	exitFailed = 1 // something went wrong
	exitUsage  = 2 // the command line cannot be used
)

// run is the whole program but for the process around it. It gives the exit
// code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := parseArgs(args, stdin, stdout, stderr)
	var done exit
	switch {
	case errors.As(err, &done):
		return int(done)
	case err != nil:
		tell(stderr, err)
		return exitUsage
	}
	err = c.run(ctx)
	switch {
	case errors.As(err, &done):
		return int(done)
	case err != nil:
		tell(stderr, err)
		return exitFailed
	}
	return 0
}

// tell writes an error for people: it may hold what others have stored or
// answered.
func tell(stderr io.Writer, err error) {
	fmt.Fprintf(stderr, "pushgateway: %s\n", visible(err.Error()))
}

// command is something that the program can be told to do.
type command struct {
	clause *kingpin.CmdClause
	check  func() error // finds what cannot work in the command line
	run    func(context.Context) error
}

const description = `The Pushgateway: jobs that end before Prometheus can scrape them push their metrics here.

Serve:   pushgateway --persistence.file=/var/lib/pushgateway/metrics.db
Run:     pushgateway run --job=backup --expect=24h -- ./backup.sh
Push:    echo 'backup_size_bytes 1e9' | pushgateway push --job=backup
Look:    pushgateway groups
`

// parseArgs reads and checks the command line.
func parseArgs(args []string, stdin io.Reader, stdout, stderr io.Writer) (command, error) {
	if version.Version == "" {
		version.Version = release
	}
	app := kingpin.New("pushgateway", description)
	app.UsageTemplate(usage).UsageFuncs(usageFuncs)
	app.Version(version.Print("pushgateway"))
	app.HelpFlag.Short('h')
	check := func() *kingpin.CmdClause { return app.Command("check", "Check files.") }
	commands := []command{
		newServe(app),
		newRun(app, stderr),
		newPush(app, stdin, stderr),
		newDelete(app, stdout, stderr),
		newGroups(app, stdout),
		newGet(app, stdout, stderr),
		newLint(check(), stdin, stdout),
		newHealthcheck(app),
		newImport(app, stdout, stderr),
		newExport(app, stdout, stderr),
		newVerify(app, stdout),
		newBackup(app, stdout, stderr),
		newCompletion(app, stdout),
		newMan(app, stdout),
	}
	name, err := parse(app, args, stdout, stderr)
	if err != nil {
		return command{}, err
	}
	for _, c := range commands {
		if c.clause.FullCommand() == name {
			return c, c.check()
		}
	}
	return command{}, fmt.Errorf("there is no command %q", name)
}

// exit is the error of what has been dealt with but for the exit code.
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
		return "", fmt.Errorf("%s%w; see %s --help", unusable(app, args), err, selected(app, args))
	}
	return command, nil
}

// unusable is the flag that cannot have the value which the command line gives
// it, as the beginning of an error: kingpin tells of the value alone.
func unusable(app *kingpin.Application, args []string) string {
	read, err := app.ParseContext(args)
	if err != nil {
		return "" // of the command line itself
	}
	for _, e := range read.Elements {
		flag, ok := e.Clause.(*kingpin.FlagClause)
		if !ok || e.Value == nil {
			continue
		}
		if m := flag.Model(); m.Value.Set(*e.Value) != nil {
			return fmt.Sprintf("--%s=%q: ", m.Name, *e.Value)
		}
	}
	return ""
}

// selected is what to ask for help: the program, with the command if the
// command line names one.
func selected(app *kingpin.Application, args []string) string {
	read, _ := app.ParseContext(args)
	if read == nil || read.SelectedCommand == nil || read.SelectedCommand.Model().Default {
		return app.Name
	}
	return app.Name + " " + read.SelectedCommand.FullCommand()
}

// nothingToCheck is for commands of which kingpin has seen all there is.
func nothingToCheck() error { return nil }
