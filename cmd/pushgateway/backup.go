package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
	"pushgateway/internal/storage"
)

// newBackup adds the command that copies the groups of a running gateway.
func newBackup(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("backup", "Copy all groups of a running gateway, or of a cluster, into a persistence file, while pushes go on. The gateway needs --web.enable-admin-api. A cluster needs no gateway.").HelpLong(`Examples:
  pushgateway backup --url=http://localhost:9091 /var/backups/pushgateway.db
  pushgateway backup --cluster.url=nats://nats-1:4222 /var/backups/pushgateway.db`)
	output := clause.Arg("file", "The persistence file to write. An existing file is replaced once the copy is complete.").Required().String()
	gw := addAddress(clause, "0s")
	stream := addStreamOf(clause, "URL of a NATS server with JetStream, like nats://nats-1:4222, to copy the groups of a cluster without a gateway. Repeat the flag for each server.")
	return command{clause, func() error { return checkAll(hasName(output), gw.check, stream.check) }, func(ctx context.Context) error {
		bar := newProgress(stderr, "copying", -1)
		defer bar.Close()
		var r storage.Report
		err := storage.File{Path: *output, Check: func(copied string) (err error) {
			r, err = wholeCopy(ctx, copied)
			return err
		}}.Write(func(w io.Writer) error {
			if stream.isSet() {
				return stream.copyTo(ctx, io.MultiWriter(w, bar), *output, stderr)
			}
			return gw.talk(ctx, func(ctx context.Context, c *client.Client) error {
				return describe("fetching a complete journal", c.Snapshot(ctx, io.MultiWriter(w, bar)))
			})
		})
		if err != nil {
			from := fmt.Stringer(gw)
			if stream.isSet() {
				from = stream
			}
			return fmt.Errorf("backing up %s to %s: %w", from, *output, err)
		}
		return printReport(stdout, *output, r)
	}}
}

// wholeCopy reports on a journal that was fetched. It returns an error if the
// journal is not complete.
func wholeCopy(ctx context.Context, path string) (storage.Report, error) {
	r, err := storage.Verify(ctx, path)
	if err == nil && r.Legacy {
		err = errors.New("it is not a journal")
	}
	if err == nil && len(r.Faults) > 0 {
		err = fmt.Errorf("%s", r.Faults[0])
	}
	if err != nil {
		return r, fmt.Errorf("the gateway did not send a complete journal, and nothing was kept; try again: %w", err)
	}
	return r, nil
}

// hasName checks the name of a file that cannot be standard input or output.
func hasName(file *string) (check func() error) {
	return func() error {
		if *file == "" { // kingpin turns - into ""
			return errors.New("this command cannot use standard input or output; name a file, like /var/lib/pushgateway/metrics.db")
		}
		return nil
	}
}
