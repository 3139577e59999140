package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// newMan adds the command that writes the manual page.
func newMan(app *kingpin.Application, stdout io.Writer) command {
	clause := app.Command("man", "Write the manual page.").HelpLong(`Example:
  pushgateway man | man -l -`)
	return command{clause, nothingToCheck, func(context.Context) error {
		_, err := io.WriteString(stdout, manPage(app.Model()))
		return err
	}}
}

// asksForMan reports whether the command line asks for the manual page as programs
// with the same library do.
func asksForMan(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--help-man":
			return true
		case "--":
			return false
		}
	}
	return false
}

// manPage returns the commands and flags of the program as a man(7) page.
func manPage(app *kingpin.ApplicationModel) string {
	var b strings.Builder
	b.WriteString(manBeginning)
	for line := range strings.SplitSeq(app.Help, "\n") {
		if line == "" {
			b.WriteString(".PP\n.br\n")
			continue
		}
		b.WriteString(roff(line) + "\n.br\n")
	}
	b.WriteString(".SH COMMANDS\n")
	for _, c := range app.FlattenedCommands() {
		if !c.Hidden {
			writeManOfCommand(&b, c)
		}
	}
	b.WriteString(manEnd)
	return b.String()
}

func writeManOfCommand(b *strings.Builder, c *kingpin.CmdModel) {
	b.WriteString(".SS " + roff(c.FullCommand))
	for _, arg := range c.Args {
		name := "<" + roff(arg.Name) + ">"
		if !arg.Required {
			name = "[" + name + "]"
		}
		b.WriteString(" " + name)
	}
	if c.Default {
		b.WriteString(" (default)")
	}
	fmt.Fprintf(b, "\n%s\n", roff(c.Help))
	if c.HelpLong != "" {
		b.WriteString(".PP\n.nf\n")
		for line := range strings.SplitSeq(c.HelpLong, "\n") {
			if line != "" {
				b.WriteString(`\&` + roff(line))
			}
			b.WriteString("\n")
		}
		b.WriteString(".fi\n")
	}
	for _, arg := range c.Args {
		fmt.Fprintf(b, ".TP\n\\fB<%s>\\fR\n%s\n", roff(arg.Name), roff(arg.Help))
	}
	for _, f := range c.Flags {
		if !f.Hidden {
			writeManOfFlag(b, f)
		}
	}
}

func writeManOfFlag(b *strings.Builder, f *kingpin.FlagModel) {
	b.WriteString(".TP\n\\fB")
	if f.Short != 0 {
		fmt.Fprintf(b, `\-%c\fR, \fB`, f.Short)
	}
	b.WriteString(`\-\-` + roff(f.Name))
	if !f.IsBoolFlag() {
		b.WriteString(`\fR=\fI` + roff(f.FormatPlaceHolder()))
	}
	b.WriteString("\\fR\n" + roff(f.Help))
	if f.Envar != "" {
		fmt.Fprintf(b, ` (\fB$%s\fR)`, roff(f.Envar))
	}
	b.WriteString("\n")
}

// roff escapes text for a man(7) page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "\n", " ").Replace(strings.TrimSpace(s))
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

const manBeginning = `.TH PUSHGATEWAY 1 "" "Pushgateway" "User Commands"
.SH NAME
pushgateway \- keep the metrics that short\-lived jobs push, for Prometheus to scrape
.SH SYNOPSIS
.B pushgateway
[\fIcommand\fR] [\fIflags\fR]
.SH DESCRIPTION
`

const manEnd = `.SH ENVIRONMENT
.TP
\fBPUSHGATEWAY_URL\fR
The gateway's address, for commands that talk to a gateway.
.TP
\fBPUSHGATEWAY_METRICS\fR
Set by \fBpushgateway run\fR for its command: the file for further metrics.
.SH EXIT STATUS
0 on success, 1 on failure, 2 if the command line is invalid. \fBpushgateway run\fR exits with the exit code of its command.
.SH SEE ALSO
.BR prometheus (1),
.BR promtool (1)
`
