package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what a run found out.
type report struct {
	settings
	rows        []row
	failed      []string  // names of what could not be measured
	date        time.Time // of the start
	took        time.Duration
	peerVersion string
}

func newReport(b *bench) *report {
	return &report{settings: b.settings, date: time.Now(), peerVersion: b.peerVersion}
}

// reference tells whether the goals can be held against this run.
func (r *report) reference() bool { return r.series == referenceSeries }

func (r *report) columns() []string {
	peer := "peer"
	if r.peerVersion != "" {
		peer = "Pushgateway " + r.peerVersion
	}
	return []string{"what", "gateway", "ceiling", peer, "÷ ceiling", "÷ peer", "must reach", "reached"}
}

// print writes the table for a terminal.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %s, in %.0f s\n\n", r.date.Format(time.DateOnly), machine(), r.took.Seconds())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(r.columns(), "\t"))
	for _, row := range r.rows {
		fmt.Fprintln(t, strings.Join(row.cells(), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if !r.reference() {
		fmt.Fprintf(w, "\nWhat must be reached was set for -series %d, not for this run.\n", referenceSeries)
	}
	return nil
}
