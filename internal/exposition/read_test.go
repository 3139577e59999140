package exposition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"pushgateway/internal/metric"
)

// readable reads an exposition to its end with Prometheus' own parser.
func readable(contentType string, b []byte) error {
	for _, options := range []textparse.ParserOptions{
		{FallbackContentType: "text/plain"},
		{FallbackContentType: "text/plain", ConvertClassicHistogramsToNHCB: true},
		{FallbackContentType: "text/plain", ConvertClassicHistogramsToNHCB: true, IgnoreNativeHistograms: true},
	} {
		if err := readableWith(options, contentType, b); err != nil {
			return fmt.Errorf("%w (read with %+v)", err, options)
		}
	}
	return nil
}

func readableWith(options textparse.ParserOptions, contentType string, b []byte) error {
	p, err := textparse.New(b, contentType, labels.NewSymbolTable(), options)
	if err != nil {
		return err
	}
	types := make(map[string]bool)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var l labels.Labels
		switch entry {
		case textparse.EntryType:
			name, _ := p.Type()
			if types[string(name)] {
				return fmt.Errorf("two TYPE lines for %q", name)
			}
			types[string(name)] = true
		case textparse.EntrySeries, textparse.EntryHistogram:
			p.Labels(&l)
			if name, twice := l.HasDuplicateLabelNames(); twice {
				return fmt.Errorf("label %q comes twice in %s", name, l)
			}
		}
	}
}

// formats are all that can be asked for and that Prometheus reads.
func formats() (all []Format) {
	for _, syntax := range []Syntax{Text, Protobuf, OpenMetrics1, OpenMetrics0} {
		for _, escaping := range metric.Escapings {
			all = append(all, Format{syntax, escaping})
		}
	}
	return all
}

// encode exposes blocks as a scrape would.
func encode(t testing.TB, f Format, blocks []*Block) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := NewEncoder(&b, f, nil)
	taken := make(map[string]bool)
	for _, block := range blocks {
		names := f.LineNames(block.Name, block.Type)
		if slices.ContainsFunc(names, func(n string) bool { return taken[n] }) {
			continue // who is left out is decided above this package
		}
		for _, n := range names {
			taken[n] = true
		}
		if err := enc.Encode(ExposeBlock(block)); err != nil {
			t.Fatalf("encoding %q: %v", block.Name, err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkReadable exposes blocks in every format and reads them back.
func checkReadable(t testing.TB, blocks []*Block) {
	t.Helper()
	for _, f := range formats() {
		b := encode(t, f, blocks)
		if err := readable(f.ContentType(), b); err != nil {
			t.Fatalf("%s: Prometheus does not read it: %v\n%q", f.ContentType(), err, b)
		}
	}
}

// recordedBodies are those of the compat scenarios, by content type.
func recordedBodies(t testing.TB, protobuf bool) (bodies [][]byte) {
	t.Helper()
	file, err := os.ReadFile("../../testdata/compat/scenarios.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		var s struct {
			Requests []struct {
				Headers map[string]string `json:"headers"`
				Body    []byte            `json:"body_base64"`
			} `json:"requests"`
		}
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Requests {
			if strings.HasPrefix(r.Headers["Content-Type"], protobufType) == protobuf && r.Headers["Content-Encoding"] == "" {
				bodies = append(bodies, r.Body)
			}
		}
	}
	return bodies
}

// sortedLines splits text for a comparison in which order does not count.
func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(lines)
	return lines
}
