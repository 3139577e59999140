package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"text/template"

	"github.com/alecthomas/kingpin/v2"
)

// newMan adds the command that writes the manual page.
func newMan(app *kingpin.Application, stdout io.Writer) command {
	clause := app.Command("man", "Write the manual page.").HelpLong(`Example:
  pushgateway man | man -l -`)
	return command{clause, nothingToCheck, func(context.Context) error {
		page, err := manPage(app.Model())
		if err != nil {
			return err
		}
		_, err = stdout.Write(page)
		return err
	}}
}

// manPage writes the commands and flags of the program as a man(7) page.
func manPage(app *kingpin.ApplicationModel) ([]byte, error) {
	t := template.New("man").Funcs(template.FuncMap{"roff": roff, "lines": func(s string) []string { return strings.Split(s, "\n") }})
	if _, err := t.Parse(manTemplate); err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err := t.Execute(&page, app)
	return page.Bytes(), err
}

// roff escapes text for a man(7) page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "\n", " ").Replace(strings.TrimSpace(s))
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

const manTemplate = `.TH PUSHGATEWAY 1 "" "Pushgateway" "User Commands"
.SH NAME
pushgateway \- keep the metrics that short\-lived jobs push, for Prometheus to scrape
.SH SYNOPSIS
.B pushgateway
[\fIcommand\fR] [\fIflags\fR]
.SH DESCRIPTION
{{range .Help|lines}}{{if .}}{{.|roff}}
{{else}}.PP
{{end}}.br
{{end -}}
.SH COMMANDS
{{range .FlattenedCommands}}{{if not .Hidden -}}
.SS {{.FullCommand|roff}}{{range .Args}} {{if not .Required}}[{{end}}<{{.Name|roff}}>{{if not .Required}}]{{end}}{{end}}{{if .Default}} (default){{end}}
{{.Help|roff}}
{{with .HelpLong}}.PP
.nf
{{range .|lines}}{{if .}}\&{{.|roff}}{{end}}
{{end}}.fi
{{end -}}
{{range .Args -}}
.TP
\fB<{{.Name|roff}}>\fR
{{.Help|roff}}
{{end -}}
{{range .Flags}}{{if not .Hidden -}}
.TP
\fB{{if .Short}}\-{{printf "%c" .Short}}\fR, \fB{{end}}\-\-{{.Name|roff}}{{if not .IsBoolFlag}}\fR=\fI{{.FormatPlaceHolder|roff}}{{end}}\fR
{{.Help|roff}}{{with .Envar}} (\fB${{.|roff}}\fR){{end}}
{{end}}{{end}}{{end}}{{end -}}
.SH ENVIRONMENT
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
