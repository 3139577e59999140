package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

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
	clause := app.Command("export", "Write the groups of a persistence file, or of a cluster, in a format for other programs. The file is only read, and no gateway may be using it. Gateways may use the cluster.").HelpLong(`Examples:
  pushgateway export --format=gob -o metrics.gob metrics.db
  pushgateway export --format=text metrics.db | less
  pushgateway export --format=gob -o metrics.gob --cluster.url=nats://nats-1:4222`)
	path := clause.Arg("file", "The persistence file. For a file of Pushgateway 1.11, the journal <file>.db is used if it exists.").String()
	format := clause.Flag("format", "gob: a persistence file for Pushgateway 1.11. text: like a scrape. json: like /api/v1/metrics.").Required().String()
	output := clause.Flag("output", "File to write. If empty, standard output.").Short('o').Default("").String()
	stream := addStreamOf(clause, "URL of a NATS server with JetStream, like nats://nats-1:4222, to export the groups of a cluster. Repeat the flag for each server.")
	check := func() error {
		if err := oneOf("format", *format, "gob", "text", "json"); err != nil {
			return err
		}
		return oneSource(*path, stream)
	}
	return command{clause, check, func(ctx context.Context) error {
		gw, file, err := openSource(ctx, *path, stream, stderr)
		if err != nil {
			return err
		}
		defer gw.Close()
		bar := newProgress(stderr, "exporting", -1)
		defer bar.Close()
		var warnings []string
		write := func(w io.Writer) error { return export(gw, *format, io.MultiWriter(w, bar), &warnings) }
		if *output == "" {
			err = writeOut(stdout, write)
		} else {
			err = storage.File{Path: *output, From: file}.Write(write)
		}
		bar.Close()
		for _, warning := range warnings {
			fmt.Fprintln(stderr, visibleLine("pushgateway export: "+warning))
		}
		return describe("exporting "+cmp.Or(file, stream.String()), err)
	}}
}

// openSource opens a stream for reading, or a file, whose name it returns.
func openSource(ctx context.Context, path string, stream *streamOf, stderr io.Writer) (gw *gateway.Gateway, file string, err error) {
	if stream.isSet() {
		gw, err = stream.open(ctx, stderr)
		return gw, "", err
	}
	if file, err = storage.Present(path); err == nil {
		gw, err = gateway.Open(ctx, gateway.Config{Journal: storage.Source(file)})
	}
	return gw, file, err
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

// export writes the groups in a format. It appends to warnings what that cannot hold.
func export(gw *gateway.Gateway, format string, w io.Writer, warnings *[]string) error {
	switch format {
	case "gob":
		return gobfile.WriteWith(w, forOld(gw.View(), warnings), gw.View().Receipts())
	case "json":
		return httpapi.WriteMetrics(w, gw.View())
	}
	asPushed := exposition.Format{Syntax: exposition.Text, Escaping: metric.UTF8}
	_, err := scrape.New(nil, nil).All(w, gw.View(), asPushed)
	return err
}

// forOld yields the groups of a view for Pushgateway 1.11, which refuses all scrapes
// while groups contradict each other. It leaves out groups that have only failures where
// these do, and appends to warnings what else does.
func forOld(v *gateway.View, warnings *[]string) iter.Seq[*gateway.Group] {
	warn := func(what string) {
		*warnings = append(*warnings, what+" contradicts another group, so Pushgateway 1.11 will answer no scrape; delete one of the groups, and export again")
	}
	return func(yield func(*gateway.Group) bool) {
		for g := range v.EachGroup("") {
			switch key := g.Key.Excerpt(); {
			case v.ExposesTimes(g):
			case g.Pushed.IsZero():
				*warnings = append(*warnings, fmt.Sprintf("left out the group %s, whose pushes have all been refused: in Pushgateway 1.11 it has the same series as the group that differs only in instance=\"\"", key))
				continue
			default:
				warn("the group " + key)
			}
			for i := range g.Families {
				if h := &g.Families[i]; h.Series() > 0 && !v.Exposes(g, h) {
					warn(h.Name + " of the group " + g.Key.Excerpt())
				}
			}
			if !yield(g) {
				return
			}
		}
	}
}
