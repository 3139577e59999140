package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/metric"
	"pushgateway/internal/scrape"
	"pushgateway/internal/storage"
)

// newExport adds the command that writes groups for other programs.
func newExport(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("export", "Write the groups of a persistence file in a format for other programs. The file is only read, and no gateway may be using it.").HelpLong(`Examples:
  pushgateway export --format=gob -o metrics.gob metrics.db
  pushgateway export --format=text metrics.db | less`)
	path := clause.Arg("file", "The persistence file. For a file of Pushgateway 1.11, the journal <file>.db is used if it exists.").Required().String()
	format := clause.Flag("format", "gob: a persistence file for Pushgateway 1.11. text: like a scrape. json: like /api/v1/metrics.").Required().String()
	output := clause.Flag("output", "File to write. If empty, standard output.").Short('o').Default("").String()
	check := func() error {
		if !slices.Contains([]string{"gob", "text", "json"}, *format) {
			return fmt.Errorf("--format=%q: it must be gob, text or json", *format)
		}
		return nil
	}
	return command{clause, check, func(ctx context.Context) error {
		present, err := storage.Present(*path)
		if err != nil {
			return err
		}
		gw, err := gateway.Open(ctx, gateway.Config{Journal: storage.Source(present)})
		if err != nil {
			return err
		}
		defer gw.Close()
		bar := newProgress(stderr, "exporting", -1)
		defer bar.Close()
		write := func(w io.Writer) error { return export(gw, *format, io.MultiWriter(w, bar)) }
		if *output == "" {
			err = writeOut(stdout, write)
		} else {
			err = storage.File{Path: *output, From: present}.Write(write)
		}
		return describe("exporting "+present, err)
	}}
}

// writeOut writes to standard output. It escapes control characters if that is
// a terminal.
func writeOut(stdout io.Writer, write func(io.Writer) error) error {
	w := bufio.NewWriter(stdout)
	if !isTerminal(stdout) {
		return errors.Join(write(w), w.Flush())
	}
	shown := &visibleWriter{to: w, write: written}
	return errors.Join(write(shown), shown.Close(), w.Flush())
}

func export(gw *gateway.Gateway, format string, w io.Writer) error {
	switch format {
	case "gob":
		return gobfile.WriteWith(w, gw.View().EachGroup(""), gw.View().Receipts())
	case "json":
		return httpapi.WriteMetrics(w, gw.View())
	}
	asPushed := exposition.Format{Syntax: exposition.Text, Escaping: metric.UTF8}
	_, err := scrape.New(nil, nil).All(w, gw.View(), asPushed)
	return err
}
