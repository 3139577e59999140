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

// newImport adds the command that imports a file of Pushgateway 1.11, or any
// persistence file into a cluster.
func newImport(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("import", "Import a file written by Pushgateway 1.11 into the journal <file>.db, as serve does at its start. Or import a persistence file, a backup or a file of 1.11 into the stream of a cluster. The file itself stays unchanged.").HelpLong(`Examples:
  pushgateway import /var/lib/pushgateway/metrics
  pushgateway import --replace /var/lib/pushgateway/metrics
  pushgateway import --cluster.url=nats://nats-1:4222 /var/lib/pushgateway/metrics.db`)
	path := clause.Arg("file", "The file written by Pushgateway 1.11. With --cluster.url, also a persistence file or a backup, which no gateway may be using.").Required().String()
	replace := clause.Flag("replace", "If a journal exists, keep it under another name and make a new one. With --cluster.url: replace the groups of the stream, and print those that the file does not have.").Bool()
	merge := clause.Flag("merge", "With --cluster.url: keep the groups of the stream, and import those that it does not have, or that the file has from a later push.").Bool()
	keep := clause.Flag("keep", "If a journal exists, continue with it, even if the file has changed since.").Bool()
	stream := addNewStream(clause, "URL of a NATS server with JetStream, like nats://nats-1:4222, to import into a cluster. Repeat the flag for each server.")
	check := func() error {
		switch {
		case *replace && *keep:
			return errors.New("--replace and --keep exclude each other; give one of them")
		case *replace && *merge:
			return errors.New("--replace and --merge exclude each other; give one of them")
		case *merge && !stream.isSet():
			return errors.New("--merge: it is about the stream of a cluster; name one with --cluster.url, or leave it out")
		case *keep && stream.isSet():
			return errors.New("--keep: it is about a journal beside the file; leave it out with --cluster.url")
		}
		return stream.check()
	}
	return command{clause, check, func(ctx context.Context) error {
		if stream.isSet() {
			return stream.importInto(ctx, *path, meeting(*replace, *merge), stdout, stderr)
		}
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

// meeting returns what becomes of the groups that a stream has.
func meeting(replace, merge bool) storage.Meeting {
	switch {
	case replace:
		return storage.Replaced
	case merge:
		return storage.Merged
	}
	return storage.Refused
}
