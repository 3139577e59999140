package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// step is a block of shell commands in a page, or a gateway that the page
// needs.
type step struct {
	line        int
	mark, value string // of the HTML comment before it
	shell       string
	output      string // what it prints, if compared
	compared    bool
}

var (
	marking  = regexp.MustCompile(`^\s*<!-- ([a-z ]+?)(?:: (.+)| (\d+))? -->$`)
	fencing  = regexp.MustCompile("^( *)```(\\w*)$")
	indented = regexp.MustCompile(`^ {4}\S`)
)

// marks are those that comments may have: whether the commands behind them run
// at all, what they need, and how the next block runs.
var marks = []string{"tested", "not tested", "needs", "gateway", "not run", "background", "repeat", "exit"}

// stepsOf reads a page, and says what in it could be taken for commands that
// are tested and is not.
func stepsOf(page string) (steps []step, problems []string) {
	var mark, tested step
	var fence []string // of the block that is open: whole, indent, language
	var text strings.Builder
	before := false // the last thing was a block of commands
	for i, line := range strings.Split(page, "\n") {
		complain := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("%d: ", i+1)+fmt.Sprintf(format, args...))
		}
		m := fencing.FindStringSubmatch(line)
		switch {
		case fence == nil && m != nil:
			fence = m
			text.Reset()
			if m[2] == "sh" && tested.mark == "" {
				complain("nothing says whether commands of this page are tested")
			}
			if m[2] == "sh" && tested.mark == "not tested" {
				mark = step{mark: "not run", value: tested.value}
			}
			mark.line = i + 1
		case fence != nil && m != nil:
			steps, before = closeBlock(steps, fence[2], text.String(), mark, before, complain)
			fence, mark = nil, step{}
		case fence != nil:
			text.WriteString(strings.TrimPrefix(line, fence[1]) + "\n")
		case marking.MatchString(line):
			m := marking.FindStringSubmatch(line)
			mark = step{line: i + 1, mark: m[1], value: m[2] + m[3]}
			if !slices.Contains(marks, mark.mark) {
				complain("a mark %q, not one of %v", mark.mark, marks)
			}
			switch mark.mark {
			case "gateway", "needs":
				steps, mark = append(steps, mark), step{}
			case "tested", "not tested":
				tested, mark = mark, step{}
			}
		case indented.MatchString(line):
			complain("an indented block is not tested: fence it")
		case strings.TrimSpace(line) != "":
			mark, before = step{}, false
		}
	}
	return steps, problems
}

// closeBlock takes a block that has been read whole.
func closeBlock(steps []step, language, text string, mark step, before bool, complain func(string, ...any)) ([]step, bool) {
	switch language {
	case "":
		complain("a block without a language: it is sh, output, text or another")
	case "bash", "console", "shell":
		complain("commands are in blocks of sh")
	case "sh":
		mark.shell = text
		return append(steps, mark), true
	case "output":
		if !before {
			complain("an output of no commands")
			break
		}
		last := &steps[len(steps)-1]
		last.output, last.compared = text, true
	}
	return steps, false
}

func runnable(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.shell != "" && s.mark != "not run" })
}

// prints compares what came with what a page shows, where ... stands for
// anything within a line, or alone on its line for any lines.
func prints(got, want string) bool {
	var e strings.Builder
	for line := range strings.Lines(want) {
		if line = strings.TrimRight(line, " \n"); strings.TrimSpace(line) == "..." {
			e.WriteString(`(?:.*\n)*`)
			continue
		}
		e.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, `.*`) + ` *\n`)
	}
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	return regexp.MustCompile(`^` + e.String() + `$`).MatchString(got)
}
