// Command bench measures the gateway beside two others in one run: a bare
// net/http server that does no more than it must (the ceiling), and Debian's
// prometheus-pushgateway (the peer). Only the ratios mean something: the
// machine is whatever it happens to be, and its load changes between runs.
//
//	go run ./bench             about a quarter of an hour
//	go run ./bench -quick      seconds, to see that it works
//	go run ./bench -update     also rewrites docs/performance.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// settings is what the command line says.
type settings struct {
	gateway  string // binary to measure; built if empty
	peer     string // name, or empty if there is none
	series   int    // stored in the largest rows; the others hold a tenth
	duration time.Duration
	rounds   int // how often each contestant has its turn; the median counts
	select_  *regexp.Regexp
	quick    bool
	update   bool
	ceiling  string // listen here as the ceiling, and do nothing else
}

// The sizes that the goals of the design were set for.
const (
	referenceSeries   = 1_000_000
	referenceDuration = time.Second
	referenceRounds   = 7
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, stderr)
	if err != nil {
		return err
	}
	if s.ceiling != "" {
		return serveCeiling(ctx, s.ceiling)
	}
	b, err := newBench(ctx, s, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	r, failed := b.measure(ctx)
	if r == nil || len(r.rows) == 0 {
		return failed
	}
	if err := r.print(stdout); err != nil || !s.update {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, r.updateDocument(ctx))
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	s := settings{rounds: referenceRounds}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.gateway, "gateway", "", "measure this `binary`, instead of building ./cmd/pushgateway")
	f.StringVar(&s.peer, "peer", "prometheus-pushgateway", "`binary` of the peer; left out if there is none")
	f.IntVar(&s.series, "series", referenceSeries, "series stored in the largest rows; the others hold a tenth")
	f.DurationVar(&s.duration, "duration", referenceDuration, "length of a round of pushes")
	f.BoolVar(&s.quick, "quick", false, "few series and short rounds, to see that everything works")
	f.BoolVar(&s.update, "update", false, "rewrite docs/performance.md with what was measured")
	f.StringVar(&s.ceiling, "ceiling", "", "be the ceiling, at this `address`; bench starts itself with it")
	rows := f.String("run", "", "measure only the rows whose name matches this `regexp`: "+rowNames())
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if s.quick {
		s.beQuick(f)
	}
	return s, s.check(f.Args(), *rows)
}

// beQuick makes everything smaller that was not asked for by a flag.
func (s *settings) beQuick(f *flag.FlagSet) {
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	s.rounds = 3
	if !given["series"] {
		s.series = 50_000
	}
	if !given["duration"] {
		s.duration = 200 * time.Millisecond
	}
}

func (s *settings) check(rest []string, rows string) (err error) {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case s.series < 10_000:
		return fmt.Errorf("-series %d: at least 10000 are needed", s.series)
	case s.duration <= 0:
		return fmt.Errorf("-duration %v: must be more than 0", s.duration)
	case s.update && (s.quick || rows != ""):
		return errors.New("-update needs a whole run: leave out -quick and -run")
	}
	if s.select_, err = regexp.Compile(rows); err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	return nil
}
