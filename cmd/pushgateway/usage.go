package main

// usage shows the flags of the default command too, since that is what most
// people start.
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
{{.Context.Flags|FlagsToTwoColumns|FormatTwoColumns -}}
{{if not .Context.SelectedCommand -}}
{{range .App.Commands}}{{if .Default -}}
{{.Flags|FlagsToTwoColumns|FormatTwoColumns -}}
{{end}}{{end}}
Commands:
{{template "FormatCommandList" .App.FlattenedCommands -}}
{{end -}}
`
