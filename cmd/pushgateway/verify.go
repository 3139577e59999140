package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/storage"
)

// newVerify adds the command that checks a persistence file.
func newVerify(app *kingpin.Application, stdout io.Writer) command {
	clause := app.Command("verify", "Check every record of a persistence file, and print what is wrong. Exits with 1 if anything is. The file is only read, and no gateway may be using it.").HelpLong(`Example:
  pushgateway verify /var/lib/pushgateway/metrics.db`)
	path := clause.Arg("file", "The persistence file. For a file of Pushgateway 1.11, the journal <file>.db is checked too if it exists.").Required().String()
	return command{clause, hasName(path), func(ctx context.Context) error {
		return verify(ctx, stdout, *path)
	}}
}

// verify reports on a file, and on the journal imported from it if there is
// one.
func verify(ctx context.Context, stdout io.Writer, path string) error {
	r, err := storage.Verify(ctx, path)
	if err != nil {
		return err
	}
	err = printReport(stdout, path, r)
	beside := path + storage.Suffix
	if _, missing := os.Lstat(beside); !r.Legacy || missing != nil {
		return err
	}
	return cmp.Or(verify(ctx, stdout, beside), err)
}

func printReport(w io.Writer, path string, r storage.Report) error {
	kind := fmt.Sprintf("journal of format %d, revision %d", r.Format, r.Revision)
	if r.Legacy {
		kind = "file of Pushgateway 1.11"
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "%s: %s\n", path, visibleLine(f))
	}
	fmt.Fprintf(w, "%s: %s, %d bytes: %s with %d series, %s\n", path, kind, r.Bytes, counted(r.Groups, "whole group"), r.Series, counted(len(r.Faults), "fault"))
	if len(r.Faults) > 0 {
		return exit(exitFailed)
	}
	return nil
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
