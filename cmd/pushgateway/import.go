package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/storage"
)

// newImport adds the command that imports a file of Pushgateway 1.11.
func newImport(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("import", "Import a file written by Pushgateway 1.11 into the journal <file>.db, as serve does at its start. The file itself stays unchanged.").HelpLong(`Examples:
  pushgateway import /var/lib/pushgateway/metrics
  pushgateway import --replace /var/lib/pushgateway/metrics`)
	path := clause.Arg("file", "The file written by Pushgateway 1.11.").Required().String()
	replace := clause.Flag("replace", "If a journal exists, keep it under another name and make a new one.").Bool()
	keep := clause.Flag("keep", "If a journal exists, continue with it, even if the file has changed since.").Bool()
	check := func() error {
		if *replace && *keep {
			return errors.New("--replace and --keep exclude each other; give one of them")
		}
		return nil
	}
	return command{clause, check, func(ctx context.Context) error {
		decision := storage.Undecided
		switch {
		case *replace:
			decision = storage.TakeFile
		case *keep:
			decision = storage.KeepJournal
		}
		c := storage.Config{File: *path, Logger: slog.New(slog.NewTextHandler(stderr, nil))}
		bar := newProgress(stderr, "reading "+*path, sizeOf(*path))
		defer bar.Close()
		c.Reading = bar
		journal, err := storage.Import(ctx, c, decision)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s is ready; serve it with --persistence.file=%s, as before\n", journal, *path)
		return nil
	}}
}
