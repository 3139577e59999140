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
		var left []string
		write := func(w io.Writer) error { return export(gw, *format, io.MultiWriter(w, bar), &left) }
		if *output == "" {
			err = writeOut(stdout, write)
		} else {
			err = storage.File{Path: *output, From: file}.Write(write)
		}
		bar.Close()
		for _, what := range left {
			fmt.Fprintln(stderr, visibleLine("pushgateway export: left out "+what+": with it, Pushgateway 1.11 would answer no scrape"))
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

// export writes the groups in a format. It appends to left what that cannot hold.
func export(gw *gateway.Gateway, format string, w io.Writer, left *[]string) error {
	switch format {
	case "gob":
		return gobfile.WriteWith(w, exposed(gw.View(), left), gw.View().Receipts())
	case "json":
		return httpapi.WriteMetrics(w, gw.View())
	}
	asPushed := exposition.Format{Syntax: exposition.Text, Escaping: metric.UTF8}
	_, err := scrape.New(nil, nil).All(w, gw.View(), asPushed)
	return err
}

// exposed yields the groups of a view with what scrapes have of them, and appends the
// rest to left. Pushgateway 1.11 refuses all scrapes while groups contradict each other.
func exposed(v *gateway.View, left *[]string) iter.Seq[*gateway.Group] {
	return func(yield func(*gateway.Group) bool) {
		for g := range v.EachGroup("") {
			if !v.ExposesTimes(g) {
				*left = append(*left, "the group "+g.Key.Excerpt())
				continue
			}
			if !yield(exposedOf(v, g, left)) {
				return
			}
		}
	}
}

func exposedOf(v *gateway.View, g *gateway.Group, left *[]string) *gateway.Group {
	families := make([]gateway.Held, 0, len(g.Families))
	for i := range g.Families {
		h := &g.Families[i]
		if h.Series() == 0 || v.Exposes(g, h) {
			families = append(families, *h)
			continue
		}
		*left = append(*left, fmt.Sprintf("%s of the group %s", h.Name, g.Key.Excerpt()))
	}
	if len(families) == len(g.Families) {
		return g
	}
	c := *g
	c.Families = families
	return &c
}
