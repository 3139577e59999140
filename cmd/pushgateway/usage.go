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
usage: {{.App.Name}} {{.Context.SelectedCommand}} [<flags>]{{range .Context.Args}} <{{.Name}}>{{end}}

{{.Context.SelectedCommand.Help}}

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
{{template "FormatCommandList" .App.Commands -}}
{{end -}}
`
