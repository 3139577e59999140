package main

import (
	"context"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/storage"
)

// newVerify adds the command that looks through a persistence file.
func newVerify(app *kingpin.Application, stdout io.Writer) command {
	clause := app.Command("verify", "Check every record of a persistence file, and print what is wrong with it. Exits with 1 if anything is. The file is only read; no gateway may be using it.")
	path := clause.Arg("file", "The persistence file, of this program or of Pushgateway 1.11.").Required().String()
	return command{clause, nothingToCheck, func(ctx context.Context) error {
		r, err := storage.Verify(ctx, *path)
		if err != nil {
			return err
		}
		return printReport(stdout, *path, r)
	}}
}

func printReport(w io.Writer, path string, r storage.Report) error {
	kind := fmt.Sprintf("journal of format %d, revision %d", r.Format, r.Revision)
	if r.Legacy {
		kind = "file of Pushgateway 1.11"
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "%s: %s\n", path, f)
	}
	fmt.Fprintf(w, "%s: %s, %d bytes: %d groups with %d series are whole, %d faults\n", path, kind, r.Bytes, r.Groups, r.Series, len(r.Faults))
	if len(r.Faults) > 0 {
		return exit(exitFailed)
	}
	return nil
}
