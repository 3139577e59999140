// Command pushgateway keeps the metrics that short-lived jobs push, and exposes
// them to Prometheus.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"

	"pushgateway/internal/nearest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if filepath.Base(os.Args[0]) == "wget" {
		os.Exit(runWget(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitFailed = 1 // something went wrong
	exitUsage  = 2 // the command line is invalid
)

// run is the whole program without its process: it takes arguments and streams,
// and returns the exit code.
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

// tell writes an error for people. It escapes control characters, since an
// error may quote what others have stored or answered.
func tell(stderr io.Writer, err error) {
	fmt.Fprintf(stderr, "pushgateway: %s\n", visible(err.Error()))
}

// command is one command of the program.
type command struct {
	clause *kingpin.CmdClause
	check  func() error // returns an error for flags that cannot work
	run    func(context.Context) error
}

const description = `The Pushgateway keeps the metrics of jobs that end before Prometheus can scrape them.

Serve:   pushgateway --persistence.file=/var/lib/pushgateway/metrics.db
Run:     pushgateway run --job=backup --expect=24h -- ./backup.sh
Push:    echo 'backup_size_bytes 1e9' | pushgateway push --job=backup
Look:    pushgateway groups
`

// parseArgs parses and checks the command line.
func parseArgs(args []string, stdin io.Reader, stdout, stderr io.Writer) (command, error) {
	if version.Version == "" {
		version.Version = release()
	}
	app := kingpin.New("pushgateway", description)
	app.UsageFunc(usage)
	app.Version(versionText())
	app.HelpFlag.Help("Show this help. `pushgateway man` prints the manual page.").Short('h')
	check := sync.OnceValue(func() *kingpin.CmdClause { return app.Command("check", "Check files.") })
	commands := []command{
		newServe(app),
		newRun(app, stderr),
		newPush(app, stdin, stderr),
		newDelete(app, stdout, stderr),
		newJobs(app, stdout, stderr),
		newGroups(app, stdout, stderr),
		newGet(app, stdout, stderr),
		newLint(check(), stdin, stdout),
		newCheckConfig(check(), stdin, stdout),
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
	return command{}, fmt.Errorf("unknown command %q", name)
}

// exit is the error of a command that has already reported its failure. It
// carries the exit code only.
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
	if asksForMan(args) {
		args = []string{"man"}
	}
	if unknown := unknownHelp(app, args); unknown != nil {
		return "", unknown
	}
	command, err = app.Parse(args)
	if ended >= 0 {
		return "", exit(ended)
	}
	if err != nil {
		if unknown := unknownCommand(app, args); unknown != nil {
			return "", unknown
		}
		if unknown := unknownFlag(app, args, err); unknown != nil {
			err = unknown
		}
		return "", seeHelp(named(app, args, err), selected(app, args))
	}
	return command, nil
}

// seeHelp adds to an error where the help is.
func seeHelp(err error, command string) error {
	if strings.HasSuffix(err.Error(), "?") {
		return fmt.Errorf("%w see %s --help", err, command)
	}
	return fmt.Errorf("%w; see %s --help", err, command)
}

// unknownCommand returns an error if the command line names a command that does
// not exist. kingpin takes the name for an argument of the default command.
func unknownCommand(app *kingpin.Application, args []string) error {
	read, err := app.ParseContext(args)
	if err == nil || read == nil || read.SelectedCommand == nil || read.Peek().Type != kingpin.TokenArg {
		return nil
	}
	name, within := read.Peek().Value, read.SelectedCommand.Model()
	switch {
	case !slices.Contains(args, name), app.GetCommand(name) != nil: // the value of a flag, or a command behind one of serve
		return nil
	case len(within.Commands) > 0:
		return fmt.Errorf("unknown command %q; %s", name, commandOf(within, name))
	case !within.Default || slices.Contains(args, within.Name):
		return nil
	case name == "version":
		return fmt.Errorf("unknown command %q; use --version", name)
	}
	return fmt.Errorf("unknown command %q; %s", name, insteadOf(app, name))
}

// commandOf says which command of a command is meant by an unknown one.
func commandOf(c *kingpin.CmdModel, name string) string {
	var names, all []string
	for _, sub := range c.Commands {
		names, all = append(names, sub.Name), append(all, sub.FullCommand)
	}
	use := "use " + strings.Join(all, " or ")
	if meant := nearest.To(name, names); meant != "" {
		return use + "; did you mean " + c.FullCommand + " " + meant + "?"
	}
	return use
}

// named adds the flag whose value kingpin refused to its error, which names
// only the value.
func named(app *kingpin.Application, args []string, refused error) error {
	read, err := app.ParseContext(args)
	if err != nil {
		return refused // from the command line itself
	}
	for _, e := range read.Elements {
		flag, ok := e.Clause.(*kingpin.FlagClause)
		if !ok || e.Value == nil {
			continue
		}
		m := flag.Model()
		if m.Value.Set(*e.Value) == nil {
			continue
		}
		if values := logOptions[m.Name]; values != nil {
			return oneOf(m.Name, *e.Value, values...)
		}
		switch valueOf(m.Value).(type) {
		case time.Duration:
			refused = errors.New("it must be a duration like 10s or 2m")
		case int, int64, uint:
			refused = errors.New("it must be a whole number like " + cmp.Or(strings.Join(m.Default, ""), "10"))
		case float64:
			refused = errors.New("it must be a number like 1.5")
		case bool:
			refused = fmt.Errorf("it takes no value; write --%[1]s or --no-%[1]s", m.Name)
		}
		return fmt.Errorf("--%s=%q: %w", m.Name, *e.Value, refused)
	}
	return refused
}

// logOptions are the values of the flags for the log, which a library checks.
var logOptions = map[string][]string{
	promslogflag.LevelFlagName: promslog.LevelFlagOptions, promslogflag.FormatFlagName: promslog.FormatFlagOptions,
}

// valueOf returns the value of a flag, or nil if it does not tell.
func valueOf(v kingpin.Value) any {
	if g, ok := v.(kingpin.Getter); ok {
		return g.Get()
	}
	return nil
}

// selected returns the program to ask for help, with the command if the command
// line names one.
func selected(app *kingpin.Application, args []string) string {
	read, _ := app.ParseContext(args)
	if read == nil || read.SelectedCommand == nil || read.SelectedCommand.Model().Default {
		return app.Name
	}
	return app.Name + " " + read.SelectedCommand.FullCommand()
}

// nothingToCheck is the check of commands whose flags kingpin checks
// completely.
func nothingToCheck() error { return nil }
