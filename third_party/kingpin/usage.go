package kingpin

import (
	"bytes"
	"fmt"
	"go/doc"
	"io"
	"strings"
)

var (
	preIndent = "  "
)

func formatTwoColumns(w io.Writer, indent, padding, width int, rows [][2]string) {
	// Find size of first column.
	s := 0
	for _, row := range rows {
		if c := len(row[0]); c > s && c < 30 {
			s = c
		}
	}

	indentStr := strings.Repeat(" ", indent)
	offsetStr := strings.Repeat(" ", s+padding)

	for _, row := range rows {
		buf := bytes.NewBuffer(nil)
		doc.ToText(buf, row[1], "", preIndent, width-s-padding-indent)
		lines := strings.Split(strings.TrimRight(buf.String(), "\n"), "\n")
		fmt.Fprintf(w, "%s%-*s%*s", indentStr, s, row[0], padding, "")
		if len(row[0]) >= 30 {
			fmt.Fprintf(w, "\n%s%s", indentStr, offsetStr)
		}
		fmt.Fprintf(w, "%s\n", lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(w, "%s%s%s\n", indentStr, offsetStr, line)
		}
	}
}

// Usage writes application usage to w. It parses args to determine
// appropriate help context, such as which command to show help for.
func (a *Application) Usage(args []string) {
	context, err := a.parseContext(true, args)
	a.FatalIfError(err, "")
	if err := a.UsageForContextWith(context, a.usage); err != nil {
		panic(err)
	}
}

func formatFlag(haveShort bool, flag *FlagModel) string {
	flagString := ""
	flagName := flag.Name
	if flag.IsBoolFlag() {
		flagName = "[no-]" + flagName
	}
	if flag.Short != 0 {
		flagString += fmt.Sprintf("-%c, --%s", flag.Short, flagName)
	} else {
		if haveShort {
			flagString += fmt.Sprintf("    --%s", flagName)
		} else {
			flagString += fmt.Sprintf("--%s", flagName)
		}
	}
	if !flag.IsBoolFlag() {
		flagString += fmt.Sprintf("=%s", flag.FormatPlaceHolder())
	}
	if v, ok := flag.Value.(repeatableFlag); ok && v.IsCumulative() {
		flagString += " ..."
	}
	return flagString
}

// Usage is what usage information is written from.
type Usage struct {
	App *ApplicationModel
	// SelectedCommand is nil if the command line selects none.
	SelectedCommand *CmdModel
	// Flags and Args are those of the command line so far.
	Flags []*FlagModel
	Args  []*ArgModel

	width int
}

// UsageFunc returns usage information.
type UsageFunc func(*Usage) string

// UsageForContext displays usage information from a ParseContext (obtained from
// Application.ParseContext() or Action(f) callbacks).
func (a *Application) UsageForContext(context *ParseContext) error {
	return a.UsageForContextWith(context, a.usage)
}

// UsageForContextWith is the base usage function. You generally don't need to use this.
func (a *Application) UsageForContextWith(context *ParseContext, usage UsageFunc) error {
	u := &Usage{
		App:   a.Model(),
		Flags: context.flags.Model().Flags,
		Args:  context.arguments.Model().Args,
		width: guessWidth(a.usageWriter),
	}
	if context.SelectedCommand != nil {
		u.SelectedCommand = context.SelectedCommand.Model()
	}
	_, err := io.WriteString(a.usageWriter, usage(u))
	return err
}

// Wrap breaks text into lines as wide as the terminal.
func (u *Usage) Wrap(indent int, s string) string {
	var buf strings.Builder
	indentText := strings.Repeat(" ", indent)
	doc.ToText(&buf, s, indentText, "  "+indentText, u.width-indent)
	return buf.String()
}

// FormatTwoColumns returns rows in two columns as wide as the terminal.
func (u *Usage) FormatTwoColumns(rows [][2]string, indent, padding int) string {
	var buf strings.Builder
	formatTwoColumns(&buf, indent, padding, u.width, rows)
	return buf.String()
}

// FlagsToTwoColumns returns a row with the flag and its help for each flag that
// is not hidden.
func FlagsToTwoColumns(flags []*FlagModel) [][2]string {
	rows := [][2]string{}
	haveShort := false
	for _, flag := range flags {
		if flag.Short != 0 {
			haveShort = true
			break
		}
	}
	for _, flag := range flags {
		if !flag.Hidden {
			rows = append(rows, [2]string{formatFlag(haveShort, flag), flag.HelpWithEnvar()})
		}
	}
	return rows
}

// ArgsToTwoColumns returns a row with the argument and its help for each
// argument that is not hidden.
func ArgsToTwoColumns(args []*ArgModel) [][2]string {
	rows := [][2]string{}
	for _, arg := range args {
		if !arg.Hidden {
			rows = append(rows, [2]string{formatArg(arg), arg.HelpWithEnvar()})
		}
	}
	return rows
}

func formatArg(arg *ArgModel) string {
	s := arg.PlaceHolder
	if s == "" {
		s = "<" + arg.Name + ">"
	}
	if !arg.Required {
		s = "[" + s + "]"
	}
	return s
}

// IsCumulative returns whether an argument takes all that follow.
func IsCumulative(value Value) bool {
	r, ok := value.(remainderArg)
	return ok && r.IsCumulative()
}
