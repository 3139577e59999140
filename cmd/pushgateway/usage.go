package main

import (
	"slices"
	"text/template"

	"github.com/alecthomas/kingpin/v2"
)

// usageFuncs are the functions of the usage template.
var usageFuncs = template.FuncMap{"WithDefault": withDefault}

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

// usage also shows the flags of the default command, which is the one that most
// people run.
const usage = `{{define "FormatCommandList" -}}
{{range .}}{{if not .Hidden -}}
{{"  "}}{{.FullCommand}}{{if .Default}} (default){{end}}
{{.Help|Wrap 4 -}}
{{end}}{{end -}}
{{end -}}
{{if .Context.SelectedCommand -}}
usage: {{.App.Name}} {{.Context.SelectedCommand}} [<flags>]{{range .Context.SelectedCommand.Args}} {{if eq .Name "command"}}-- {{end}}{{if not .Required}}[{{end}}<{{.Name}}>{{if not .Required}}]{{end}}{{if .Value|IsCumulative}}...{{end}}{{end}}

{{.Context.SelectedCommand.Help}}
{{with .Context.SelectedCommand.HelpLong}}
{{.}}
{{end}}
{{else -}}
usage: {{.App.Name}} [<command>] [<flags>]

{{.App.Help}}
{{end -}}
{{if .Context.Args -}}
Args:
{{.Context.Args|ArgsToTwoColumns|FormatTwoColumns}}
{{end -}}
Flags:
{{if .Context.SelectedCommand -}}
{{.Context.Flags|FlagsToTwoColumns|FormatTwoColumns -}}
{{else -}}
{{WithDefault .Context.Flags .App|FlagsToTwoColumns|FormatTwoColumns}}
Commands:
{{template "FormatCommandList" .App.FlattenedCommands -}}
{{end -}}
`
