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

// manPage writes what the program knows of its commands in the language of
// man(7).
func manPage(app *kingpin.ApplicationModel) ([]byte, error) {
	t := template.New("man").Funcs(template.FuncMap{"roff": roff, "lines": func(s string) []string { return strings.Split(s, "\n") }})
	if _, err := t.Parse(manTemplate); err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err := t.Execute(&page, app)
	return page.Bytes(), err
}

// roff takes its meaning from what means something in a manual page.
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
.SS {{.FullCommand|roff}}{{range .Args}} {{if not .Required}}[{{end}}<{{.Name|roff}}>{{if not .Required}}]{{end}}{{end}}{{if .Default}} (what happens without a command){{end}}
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
Where the gateway is, for commands that talk to one.
.TP
\fBPUSHGATEWAY_METRICS\fR
Set by \fBpushgateway run\fR for its command: a file for metrics of its own.
.SH EXIT STATUS
0 if all went well, 1 if something went wrong, 2 if the command line cannot be used. \fBpushgateway run\fR exits as its command does.
.SH SEE ALSO
.BR prometheus (1),
.BR promtool (1)
`
