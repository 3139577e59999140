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

// newImport adds the command that takes over from Pushgateway 1.11.
func newImport(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("import", "Make the journal <file>.db of a file that Pushgateway 1.11 has written, as serve does when it is given that file. The file itself is left alone.").HelpLong(`Examples:
  pushgateway import /var/lib/pushgateway/metrics
  pushgateway import --replace /var/lib/pushgateway/metrics`)
	path := clause.Arg("file", "The file that Pushgateway 1.11 has written.").Required().String()
	replace := clause.Flag("replace", "If there is a journal already, keep it aside and make a new one.").Bool()
	keep := clause.Flag("keep", "If there is a journal already, go on with it, whatever the file has become since.").Bool()
	check := func() error {
		if *replace && *keep {
			return errors.New("--replace and --keep exclude each other")
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
		fmt.Fprintf(stdout, "%s is ready: serve with --persistence.file=%s as before\n", journal, *path)
		return nil
	}}
}
