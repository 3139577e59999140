package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

//go:embed performance.md.tmpl
var documentSource string

var document = template.Must(template.New("performance.md").Parse(documentSource))

// updateDocument rewrites docs/performance.md, wherever in the module the
// program was started.
func (r *report) updateDocument(ctx context.Context) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	var b bytes.Buffer
	if err := document.Execute(&b, r.documentData()); err != nil {
		return err
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "docs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "performance.md"), b.Bytes(), 0o644)
}

// documentData is what the template needs.
func (r *report) documentData() map[string]any {
	l := newLoad(r.series)
	return map[string]any{
		"Date":         r.date.Format("2 January 2006"),
		"Machine":      machine(),
		"Minutes":      fmt.Sprintf("%.1f", r.took.Minutes()),
		"Table":        r.markdown(),
		"Failed":       strings.Join(r.failed, ", "),
		"Reference":    r.reference(),
		"Peer":         r.peerVersion,
		"PerGroup":     seriesPerGroup,
		"DiskValue":    diskValue,
		"Families":     familiesPerGroup,
		"BodySize":     fmt.Sprintf("%.1f", l.meanSize()/1000),
		"Clients":      clients,
		"Rounds":       r.rounds,
		"Duration":     r.duration,
		"Scrapes":      scrapes,
		"PeerScrapes":  peerScrapes,
		"Variants":     variants,
		"Formats":      len(everyFormat()),
		"Starts":       starts,
		"ColdRounds":   coldRounds,
		"WarmRounds":   warmRounds,
		"WarmPushes":   warmPushes,
		"Abusers":      abusers,
		"AbuseScrapes": abuseScrapes,
		"FewIdle":      100 * fewIdle,
		"ManyIdle":     100 * manyIdle,
		"CloudSync":    time.Duration(cloudDisks).Milliseconds(),
		"SlowSync":     time.Duration(slowDisks).Milliseconds(),
	}
}

// markdown writes the table for the document.
func (r *report) markdown() string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	columns := r.columns()
	line(columns)
	b.WriteString("|---|" + strings.Repeat("---:|", 5) + "---|---|\n")
	for _, row := range r.rows {
		line(row.cells())
	}
	return b.String()
}
