package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	"mvdan.cc/sh/v3/interp"
)

// search holds the options of a grep.
type search struct {
	pattern         *regexp.Regexp
	invert          bool
	quiet, counting bool
	count           int
}

// grep writes the lines that match a pattern. Its exit code is 1 if no line
// matches.
func grep(args []string, stdin io.Reader, stdout io.Writer) error {
	s, files, err := parseGrep(args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		err = s.read(stdin, stdout)
	}
	for _, name := range files {
		err = errors.Join(err, s.readFile(name, stdout))
	}
	if s.counting && !s.quiet {
		fmt.Fprintln(stdout, s.count)
	}
	switch {
	case s.quiet && s.count > 0:
		return nil
	case err == nil && s.count == 0:
		return interp.ExitStatus(1)
	}
	return err
}

func parseGrep(args []string) (*search, []string, error) {
	flags := pflag.NewFlagSet("grep", pflag.ContinueOnError)
	quiet := flags.BoolP("quiet", "q", false, "write nothing")
	flags.BoolP("no-messages", "s", false, "accepted and ignored")
	invert := flags.BoolP("invert-match", "v", false, "select lines that do not match")
	fold := flags.BoolP("ignore-case", "i", false, "ignore case")
	counting := flags.BoolP("count", "c", false, "write only the number of matching lines")
	extended := flags.BoolP("extended-regexp", "E", false, "patterns are extended regular expressions")
	fixed := flags.BoolP("fixed-strings", "F", false, "patterns are plain text")
	word := flags.BoolP("word-regexp", "w", false, "match only whole words")
	line := flags.BoolP("line-regexp", "x", false, "match only whole lines")
	patterns := flags.StringArrayP("regexp", "e", nil, "a pattern; repeatable")
	if err := flags.Parse(args); err != nil {
		return nil, nil, help(err)
	}
	rest := flags.Args()
	if len(*patterns) == 0 {
		if len(rest) == 0 {
			return nil, nil, errors.New("the pattern is missing; write it as the first argument, like grep -q OK")
		}
		*patterns, rest = rest[:1], rest[1:]
	}
	var alternatives []string
	for p := range strings.Lines(strings.Join(*patterns, "\n")) {
		switch p = strings.TrimSuffix(p, "\n"); {
		case *fixed:
			p = regexp.QuoteMeta(p)
		case !*extended:
			p = extend(p)
		}
		alternatives = append(alternatives, p)
	}
	all := "(?:" + strings.Join(alternatives, "|") + ")"
	if *word {
		all = `\b` + all + `\b`
	}
	if *line {
		all = "^" + all + "$"
	}
	if *fold {
		all = "(?i)" + all
	}
	compiled, err := regexp.Compile(all)
	if err != nil {
		return nil, nil, fmt.Errorf("the pattern is not a regular expression: %w", err)
	}
	return &search{pattern: compiled, invert: *invert, quiet: *quiet, counting: *counting}, rest, nil
}

// extend converts a basic regular expression to an extended one. In a basic one,
// +?|(){} are special only after a backslash.
func extend(basic string) string {
	var b strings.Builder
	for i := 0; i < len(basic); i++ {
		c := basic[i]
		escaped := c == '\\' && i+1 < len(basic)
		if escaped {
			i++
			c = basic[i]
		}
		if escaped != strings.ContainsRune("+?|(){}", rune(c)) {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (s *search) readFile(name string, stdout io.Writer) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.read(f, stdout)
}

func (s *search) read(r io.Reader, stdout io.Writer) error {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" || err == nil {
			s.look(line, stdout)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *search) look(line string, stdout io.Writer) {
	if s.pattern.MatchString(line) == s.invert {
		return
	}
	s.count++
	if !s.quiet && !s.counting {
		fmt.Fprintln(stdout, line)
	}
}
