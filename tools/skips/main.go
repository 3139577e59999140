// Command skips lists the tests that were skipped, and why. Its standard input
// is what `go test -json` writes, or several of these one behind the other. With
// -strict it fails if a reason is on no list.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	list := flag.String("allowed", "", "file with the reasons that are allowed: a regular expression a line, or # and a comment")
	lacking := flag.String("lacking", "", "file with more of them, for machines on which packages cannot be installed")
	strict := flag.Bool("strict", false, "fail if a test was skipped for any other reason")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *strict, *list, *lacking); err != nil {
		fmt.Fprintln(os.Stderr, "skips:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, strict bool, lists ...string) error {
	var allowed []*regexp.Regexp
	for _, list := range lists {
		more, err := readList(list)
		if err != nil {
			return err
		}
		allowed = append(allowed, more...)
	}
	skipped, err := read(in)
	if err != nil {
		return err
	}
	return tell(out, skipped, allowed, strict)
}

// readList reads a list of reasons. There are none in a file without a name.
func readList(file string) (allowed []*regexp.Regexp, err error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for n, line := range strings.Split(string(content), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		reason, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
		}
		allowed = append(allowed, reason)
	}
	return allowed, nil
}

// skip is a test that was skipped.
type skip struct{ test, reason string }

// event is a line of `go test -json`; see go doc test2json.
type event struct{ Action, Package, Test, Output string }

// read finds the skipped tests. A test without a reason has "".
func read(in io.Reader) (skipped []skip, err error) {
	reasons := make(map[string]string)
	for dec := json.NewDecoder(bufio.NewReader(in)); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return skipped, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the events of go test: %w", err)
		}
		test := strings.TrimPrefix(e.Package+"."+e.Test, "pushgateway/")
		switch {
		case e.Test == "":
		case e.Action == "output":
			if said := reasonOf(e.Output); said != "" {
				reasons[test] = said
			}
		case e.Action == "skip":
			skipped = append(skipped, skip{test, reasons[test]})
		}
	}
}

// logged is a line that a test has logged.
var logged = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

func reasonOf(output string) string {
	if m := logged.FindStringSubmatch(strings.TrimRight(output, "\n")); m != nil {
		return m[1]
	}
	return ""
}

// tell lists what was skipped by reason. It is an error if strict, and a reason
// is not allowed.
func tell(out io.Writer, skipped []skip, allowed []*regexp.Regexp, strict bool) error {
	if len(skipped) == 0 {
		fmt.Fprintln(out, "No test was skipped.")
		return nil
	}
	slices.SortStableFunc(skipped, func(a, b skip) int { return strings.Compare(a.reason, b.reason) })
	fmt.Fprintf(out, "%d tests were skipped:\n", len(skipped))
	unknown := 0
	for _, s := range skipped {
		mark := " "
		if !slices.ContainsFunc(allowed, func(r *regexp.Regexp) bool { return r.MatchString(s.reason) }) {
			mark, unknown = "!", unknown+1
		}
		fmt.Fprintf(out, "%s %s: %s\n", mark, s.test, s.reason)
	}
	if unknown == 0 || !strict {
		return nil
	}
	return fmt.Errorf("%d tests were skipped for reasons that scripts/skips.txt does not list (marked with !): have them run, or add the reason", unknown)
}
