package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// usage is the text of --help. Without a command, it also shows the flags of the
// default command, which is the one that most people run.
func usage(u *kingpin.Usage) string {
	var b strings.Builder
	writeSynopsis(&b, u)
	if len(u.Args) > 0 {
		fmt.Fprintf(&b, "Args:\n%s\n", u.FormatTwoColumns(kingpin.ArgsToTwoColumns(u.Args), 2, 2))
	}
	flags := u.Flags
	if u.SelectedCommand == nil {
		flags = withDefault(flags, u.App)
	}
	fmt.Fprintf(&b, "Flags:\n%s", u.FormatTwoColumns(kingpin.FlagsToTwoColumns(flags), 2, 2))
	if u.SelectedCommand == nil {
		writeCommands(&b, u)
	}
	return b.String()
}

// writeSynopsis writes how the program or the selected command is used, and what
// it does.
func writeSynopsis(b *strings.Builder, u *kingpin.Usage) {
	c := u.SelectedCommand
	if c == nil {
		fmt.Fprintf(b, "usage: %s [<command>] [<flags>]\n\n%s\n", u.App.Name, u.App.Help)
		return
	}
	fmt.Fprintf(b, "usage: %s %s [<flags>]", u.App.Name, c)
	for _, arg := range c.Args {
		b.WriteString(" " + synopsisOf(arg))
	}
	fmt.Fprintf(b, "\n\n%s\n", c.Help)
	if c.HelpLong != "" {
		fmt.Fprintf(b, "\n%s\n", c.HelpLong)
	}
	b.WriteString("\n")
}

func synopsisOf(arg *kingpin.ArgModel) string {
	s := "<" + arg.Name + ">"
	if !arg.Required {
		s = "[" + s + "]"
	}
	if arg.Name == "command" {
		s = "-- " + s
	}
	if kingpin.IsCumulative(arg.Value) {
		s += "..."
	}
	return s
}

// withDefault appends the flags of the default command to flags, so that both
// are shown in the same columns.
func withDefault(flags []*kingpin.FlagModel, app *kingpin.ApplicationModel) []*kingpin.FlagModel {
	all := slices.Clone(flags)
	for _, c := range app.Commands {
		if c.Default {
			all = append(all, c.Flags...)
		}
	}
	return all
}

func writeCommands(b *strings.Builder, u *kingpin.Usage) {
	b.WriteString("\nCommands:\n")
	for _, c := range u.App.FlattenedCommands() {
		if c.Hidden {
			continue
		}
		b.WriteString("  " + c.FullCommand)
		if c.Default {
			b.WriteString(" (default)")
		}
		b.WriteString("\n" + u.Wrap(4, c.Help))
	}
}
