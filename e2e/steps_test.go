package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// step is a block of shell commands in a page, or what a comment in the page
// asks for.
type step struct {
	line        int
	mark, value string // of the HTML comment before it
	shell       string
	compared    bool   // with the output behind it
	output      string // without the indent of its block
	outputLine  int    // where that begins
}

var (
	marking  = regexp.MustCompile(`^\s*<!-- ([a-z ]+?)(?:: (.+)| (\d+))? -->$`)
	fencing  = regexp.MustCompile("^( *)```(\\w*)$")
	indented = regexp.MustCompile(`^ {4}\S`)
)

// marks are those that comments may have: whether the commands behind them run
// at all, what they need, and how the next block runs.
var marks = []string{"tested", "not tested", "needs", "gateway", "not run", "background", "repeat", "exit"}

// pageReader reads a page line by line.
type pageReader struct {
	steps    []step
	problems []string
	line     int
	mark     step // of the comment that was just read
	tested   step // the comment that says whether what follows is tested
	block    *block
	commands bool // the last thing was a block of commands
}

type block struct {
	line             int
	indent, language string
	text             strings.Builder
}

// stepsOf reads a page. The problems are what looks as if it were tested, and is
// not.
func stepsOf(page string) (steps []step, problems []string) {
	var r pageReader
	for line := range strings.SplitSeq(page, "\n") {
		r.line++
		r.read(line)
	}
	return r.steps, r.problems
}

func (r *pageReader) read(line string) {
	fence := fencing.FindStringSubmatch(line)
	switch {
	case r.block == nil && fence != nil:
		r.block = &block{line: r.line, indent: fence[1], language: fence[2]}
	case r.block != nil && fence != nil:
		r.end(r.block)
		r.block, r.mark = nil, step{}
	case r.block != nil:
		r.block.text.WriteString(strings.TrimPrefix(line, r.block.indent) + "\n")
	case marking.MatchString(line):
		m := marking.FindStringSubmatch(line)
		r.comment(step{line: r.line, mark: m[1], value: m[2] + m[3]})
	case indented.MatchString(line):
		r.complain("an indented block is not tested: fence it")
	case strings.TrimSpace(line) != "":
		r.mark, r.commands = step{}, false
	}
}

func (r *pageReader) complain(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf("%d: ", r.line)+fmt.Sprintf(format, args...))
}

func (r *pageReader) comment(mark step) {
	switch mark.mark {
	case "needs", "gateway":
		r.steps = append(r.steps, mark)
	case "tested", "not tested":
		r.tested = mark
	default:
		if !slices.Contains(marks, mark.mark) {
			r.complain("a mark %q, not one of %v", mark.mark, marks)
		}
		r.mark = mark
	}
}

// end takes a block that has been read whole.
func (r *pageReader) end(b *block) {
	commands := r.commands
	r.commands = false
	switch b.language {
	case "":
		r.complain("a block without a language: it is sh, output, text or another")
	case "bash", "console", "shell":
		r.complain("commands are in blocks of sh")
	case "sh":
		r.shell(b)
	case "output":
		if !commands {
			r.complain("an output of no commands")
			return
		}
		last := &r.steps[len(r.steps)-1]
		last.compared, last.output, last.outputLine = true, b.text.String(), b.line+1
	}
}

func (r *pageReader) shell(b *block) {
	s := r.mark
	s.line, s.shell = b.line, b.text.String()
	switch r.tested.mark {
	case "":
		r.complain("nothing says whether the commands of this page are tested")
	case "not tested":
		s.mark, s.value = "not run", r.tested.value
	}
	r.steps, r.commands = append(r.steps, s), true
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

// shows replaces outputs in a page by what was printed, given for the line where
// each begins. Lines that the page shows rightly, with ..., stay.
func shows(page string, steps []step, printed map[int]string) string {
	lines := strings.Split(page, "\n")
	for _, s := range slices.Backward(steps) {
		got, found := printed[s.outputLine]
		if !found {
			continue
		}
		first, old := s.outputLine-1, strings.Count(s.output, "\n")
		indent, _, _ := strings.Cut(lines[first-1], "`")
		var shown []string
		for line := range strings.Lines(got) {
			line = strings.TrimRight(line, " \n")
			same := slices.IndexFunc(lines[first:first+old], func(l string) bool {
				return strings.TrimSpace(l) != "..." && prints(line, strings.TrimPrefix(l, indent)+"\n")
			})
			if same >= 0 {
				line = strings.TrimPrefix(lines[first+same], indent)
			}
			shown = append(shown, strings.TrimRight(indent+line, " "))
		}
		lines = slices.Replace(lines, first, first+old, shown...)
	}
	return strings.Join(lines, "\n")
}
