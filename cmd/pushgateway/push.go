package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
	"pushgateway/internal/exposition"
	"pushgateway/internal/intake"
	"pushgateway/internal/metric"
	"pushgateway/internal/sniff"
)

// newPush adds the command that pushes files.
func newPush(app *kingpin.Application, stdin io.Reader, stderr io.Writer) command {
	clause := app.Command("push", "Push metrics in the text format from files or standard input. The command checks them first, and adds a missing newline at the end.").HelpLong(`Examples:
  echo 'backup_size_bytes 1.2e9' | pushgateway push --job=backup --label=instance=db1
  pushgateway push --job=etl --replace metrics.prom
  pushgateway push --job=etl --merge=series --ttl=7d part-1.prom part-2.prom
  pushgateway push --job=mailer --merge=sum counts.prom`)
	group, gw := addWhich(clause), addWhere(clause)
	var p client.Push
	files := clause.Arg("file", "Files in the text format. - is standard input, which is also the default.").Strings()
	clause.Flag("replace", "Replace the whole group (PUT). By default, a push replaces only the families in the files (POST).").BoolVar(&p.Replace)
	clause.Flag("merge", "series replaces only the series in the files. sum adds the files to what the group has, once: retries do not count again.").PlaceHolder("series|sum").EnumVar(&p.Merge, "series", "sum")
	mergeSeries := clause.Flag("merge-series", "The same as --merge=series.").Bool()
	clause.Flag("gauges", "With --merge=sum, what becomes of gauges: replace (the default), sum, max or min.").PlaceHolder("replace|sum|max|min").EnumVar(&p.Gauges, "replace", "sum", "max", "min")
	clause.Flag("ttl", "Time to live of the group without further pushes, like 7d. By default, the gateway decides.").PlaceHolder("DURATION").StringVar(&p.TTL)
	clause.Flag("series-ttl", "With --merge=sum, time to live of the series in the files unless a push adds to them again, like 7d. By default, they live as long as the group.").PlaceHolder("DURATION").StringVar(&p.SeriesTTL)
	empty := clause.Flag("allow-empty", "Push even if there are no metrics. With --replace, the group then holds nothing but the push time.").Bool()
	check := func() (err error) {
		if err := checkMerge(&p, *mergeSeries); err != nil {
			return err
		}
		if p.Key, err = group.key(); err != nil {
			return err
		}
		return checkAll(gw.check, func() error { return checkTTL("--ttl", p.TTL) }, func() error { return checkTTL("--series-ttl", p.SeriesTTL) })
	}
	return command{clause, check, func(ctx context.Context) (err error) {
		if p.Body, err = readText(*files, stdin, stderr); err != nil {
			return err
		}
		if len(bytes.TrimSpace(p.Body)) == 0 && !*empty {
			return errors.New("there are no metrics to push: the command that writes them may have failed. Nothing was pushed; --allow-empty pushes anyway")
		}
		var bar io.WriteCloser = nothing{}
		defer func() { _ = bar.Close() }()
		p.Progress = func(size int64) io.Writer {
			bar = newProgress(stderr, "pushing", size)
			return bar
		}
		return gw.talk(ctx, func(ctx context.Context, c *client.Client) error {
			if err := c.Push(ctx, p); err != nil {
				return fmt.Errorf("pushing to %s: %w", p.Key, err)
			}
			return nil
		})
	}}
}

// checkMerge checks how a push merges, which --merge-series says too.
func checkMerge(p *client.Push, series bool) error {
	if series {
		if p.Merge == "sum" {
			return errors.New("--merge=sum and --merge-series exclude each other; give one of them")
		}
		p.Merge = "series"
	}
	switch {
	case p.Replace && p.Merge != "":
		return fmt.Errorf("--replace and --merge=%s exclude each other; give one of them", p.Merge)
	case p.Gauges != "" && p.Merge != "sum":
		return errors.New("--gauges is for pushes that add up; add --merge=sum, or leave it out")
	case p.SeriesTTL != "" && p.Merge != "sum":
		return errors.New("--series-ttl is for pushes that add up; add --merge=sum, or leave it out")
	}
	return nil
}

// document is a text and the name of its source.
type document struct {
	name string
	text []byte
}

// readDocuments reads the files, or standard input if there are none.
func readDocuments(files []string, stdin io.Reader) ([]document, error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	docs := make([]document, len(files))
	for i, name := range files {
		d := document{name: name}
		var err error
		if name == "-" || name == "" { // kingpin turns - into ""
			d.name = "<stdin>"
			d.text, err = io.ReadAll(stdin)
		} else {
			d.text, err = os.ReadFile(name)
		}
		if err != nil {
			return nil, fmt.Errorf("reading metrics: %w", err)
		}
		if bytes.HasPrefix(d.text, []byte{0x1f, 0x8b}) {
			return nil, fmt.Errorf("%s is compressed with gzip; decompress it first", d.name)
		}
		docs[i] = d
	}
	return docs, nil
}

// explain names the kind of a document that is not text.
func (d document) explain(err *exposition.SyntaxError) string {
	switch hint := intake.HintOfText(d.text, err.Line); {
	case hint.Enough:
		return hint.Says
	case hint.Says != "":
		return fmt.Sprintf("%s (%s)", hint.Says, err.Msg)
	}
	return err.Msg
}

// readText reads files, checks each one, and concatenates them. It warns of files
// that are probably not meant to be text.
func readText(files []string, stdin io.Reader, stderr io.Writer) (all []byte, err error) {
	docs, err := readDocuments(files, stdin)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		text := exposition.MendNewlines(d.text)
		if err := (document{d.name, text}).check(); err != nil {
			return nil, fmt.Errorf("%w; nothing was pushed", err)
		}
		if sniff.LooksLikeOpenMetrics(text) {
			fmt.Fprintf(stderr, "pushgateway: %s looks like OpenMetrics, but is pushed as text, which has no units and start times; to keep them, send the file to the gateway with Content-Type: %s\n", d.name, sniff.OpenMetricsType)
		}
		all = append(all, text...)
	}
	return all, nil
}

// maxRefused is how many refused families an error names.
const maxRefused = 10

// check returns what a gateway would refuse and where: one line for each
// family.
func (d document) check() error {
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText(d.text)
	var syntax *exposition.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s:%d: %s", d.name, syntax.Line, d.explain(syntax))
	case err != nil:
		return fmt.Errorf("%s: %w", d.name, err)
	}
	var wrong []error
	for _, f := range families {
		err := renderable(f)
		if err == nil {
			continue
		}
		wrong = append(wrong, fmt.Errorf("%s:%d: %w", d.name, f.Line, err))
		if len(wrong) == maxRefused {
			break
		}
	}
	return errors.Join(wrong...)
}

// renderable returns why no gateway would expose a family. Some take timestamps.
func renderable(f *metric.Family) error {
	_, err := exposition.Render([]*metric.Family{f}, exposition.Options{Valid: true})
	if errors.Is(err, exposition.ErrTimestamps) {
		return nil
	}
	return err
}
