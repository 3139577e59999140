package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// newLint adds the command that checks metrics for mistakes and bad habits.
func newLint(check *kingpin.CmdClause, stdin io.Reader, stdout io.Writer) command {
	clause := check.Command("metrics", "Check metrics in the text format for errors and for what will cause trouble later: syntax, names, units, help, types, too many label values. Exits with 1 if it finds anything.").HelpLong(`Examples:
  pushgateway check metrics metrics.prom
  ./job --print-metrics | pushgateway check metrics`)
	files := clause.Arg("file", "Files in the text format. - is standard input, which is also the default.").Strings()
	return command{clause, nothingToCheck, func(context.Context) error {
		docs, err := readDocuments(*files, stdin)
		if err != nil {
			return err
		}
		found := 0
		for _, d := range docs {
			for _, p := range d.lint() {
				found++
				fmt.Fprintf(stdout, "%s:%d: %s\n", d.name, p.line, visibleLine(p.text))
			}
		}
		if found > 0 {
			return exit(exitFailed)
		}
		return nil
	}}
}

// problem is a finding in a line. Lines count from 1.
type problem struct {
	line int
	text string
}

// lint returns the problems of a document in the order of lines.
func (d document) lint() []problem {
	found := append(d.lintNewlines(), d.lintText()...)
	slices.SortStableFunc(found, func(a, b problem) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text)) })
	return found
}

// lintText checks everything except line endings.
func (d document) lintText() (found []problem) {
	mended := document{d.name, exposition.MendNewlines(d.text)}
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText(mended.text)
	var syntax *exposition.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return []problem{{syntax.Line, mended.explain(syntax)}}
	case err != nil:
		return []problem{{1, err.Error()}}
	}
	for _, f := range families {
		found = append(found, lintFamily(f)...)
	}
	return append(found, mended.promlint(linesOf(families))...)
}

// lintNewlines checks line endings.
func (d document) lintNewlines() (found []problem) {
	if i := bytes.Index(d.text, []byte("\r\n")); i >= 0 {
		found = append(found, problem{1 + bytes.Count(d.text[:i], []byte("\n")), "lines end with CRLF, which the format does not allow; use LF"})
	}
	if len(d.text) > 0 && d.text[len(d.text)-1] != '\n' {
		found = append(found, problem{1 + bytes.Count(d.text, []byte("\n")), "the last line has no newline at the end; add one"})
	}
	return found
}

// manyValues is how many values of one label in one push are suspicious.
const manyValues = 100

// lintFamily looks for what a gateway refuses, and for too many series.
func lintFamily(f *metric.Family) (found []problem) {
	add := func(format string, args ...any) {
		found = append(found, problem{f.Line, fmt.Sprintf("%s: ", f.Name) + fmt.Sprintf(format, args...)})
	}
	values, timed := labelValues(f)
	if !metric.IsLegacyName(f.Name) {
		add("a gateway accepts this name only with --push.enable-utf8-names")
	}
	if timed {
		add("it has a timestamp, which a gateway refuses without --push.timestamps=strip: Prometheus would drop the series as stale after five minutes")
	}
	if metric.IsTime(f.Name) {
		add("a gateway ignores this family, since it makes its own")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !metric.IsLegacyLabel(name) {
			add("a gateway accepts the label name %q only with --push.enable-utf8-names", name)
		}
		if n := len(values[name]); n > manyValues {
			add("the label %q has %d values; Prometheus stores a series for each", name, n)
		}
	}
	if err := renderable(f); err != nil && !timed {
		found = append(found, problem{f.Line, err.Error()})
	}
	return found
}

// labelValues returns the values of each label of a family, and whether there
// are timestamps.
func labelValues(f *metric.Family) (values map[string]map[string]bool, timed bool) {
	values = make(map[string]map[string]bool)
	for _, s := range f.Series {
		timed = timed || s.Timed
		for _, l := range s.Labels {
			if values[l.Name] == nil {
				values[l.Name] = make(map[string]bool)
			}
			values[l.Name][l.Value] = true
		}
	}
	return values, timed
}

// promlint applies the rules of the Prometheus project.
func (d document) promlint(at lines) (found []problem) {
	p := expfmt.NewTextParser(model.UTF8Validation) // promlint's own parser only knows legacy names
	families, err := p.TextToMetricFamilies(bytes.NewReader(d.text))
	if err != nil {
		return nil // our parser found nothing
	}
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(families))).Lint()
	if err != nil {
		return nil // only for text that promlint parses itself
	}
	for _, p := range problems {
		found = append(found, problem{at.of(p.Metric), p.Metric + ": " + p.Text})
	}
	return found
}

// lines holds the first line about each family. Lines count from 1.
type lines map[string]int

func linesOf(families []*metric.Family) lines {
	at := make(lines, len(families))
	for _, f := range families {
		at[f.Name] = f.Line
	}
	return at
}

// of returns the line of a family, or 1 if no line is about it.
func (l lines) of(family string) int { return max(l[family], 1) }
