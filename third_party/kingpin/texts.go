package kingpin

import (
	"fmt"
	"strings"
)

// LongHelp is the usage information of the flag --help-long, and the default.
func LongHelp(u *Usage) string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s%s", u.App.Name, summary(u.App.FlagGroupModel, u.App.ArgGroupModel))
	if len(u.App.Commands) > 0 {
		b.WriteString(" <command> [<args> ...]")
	}
	b.WriteString("\n")
	if u.App.Help != "" {
		fmt.Fprintf(&b, "\n%s", u.Wrap(0, u.App.Help))
	}
	b.WriteString("\n")
	if len(u.Flags) > 0 {
		fmt.Fprintf(&b, "Flags:\n%s\n", u.FormatTwoColumns(FlagsToTwoColumns(u.Flags), 2, 2))
	}
	if len(u.Args) > 0 {
		fmt.Fprintf(&b, "Args:\n%s\n", u.FormatTwoColumns(ArgsToTwoColumns(u.Args), 2, 2))
	}
	if len(u.App.Commands) > 0 {
		b.WriteString("Commands:\n")
		for _, c := range u.App.FlattenedCommands() {
			longHelpOfCommand(&b, u, c)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func longHelpOfCommand(b *strings.Builder, u *Usage, c *CmdModel) {
	if c.Hidden {
		return
	}
	fmt.Fprintf(b, "%s%s\n%s\n", c.FullCommand, summary(c.FlagGroupModel, c.ArgGroupModel), u.Wrap(4, c.Help))
	if rows := FlagsToTwoColumns(c.Flags); len(rows) > 0 {
		b.WriteString(u.FormatTwoColumns(rows, 4, 2))
	}
	b.WriteString("\n")
}

// summary is how the flags and arguments of a command are written in one line.
func summary(flags *FlagGroupModel, args *ArgGroupModel) string {
	s := ""
	if f := flags.FlagSummary(); f != "" {
		s = " " + f
	}
	for _, arg := range args.Args {
		if !arg.Hidden {
			s += " " + summaryOfArg(arg)
		}
	}
	return s
}

func summaryOfArg(arg *ArgModel) string {
	s := arg.PlaceHolder
	if s == "" {
		s = "<" + arg.Name + ">"
	}
	if IsCumulative(arg.Value) {
		s += "..."
	}
	if !arg.Required {
		s = "[" + s + "]"
	}
	return s
}

// ManPage is the usage information of the flag --help-man.
func ManPage(u *Usage) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s \"%s\"\n", u.App.Name, u.App.Version, u.App.Author)
	fmt.Fprintf(&b, ".SH \"NAME\"\n%s\n", u.App.Name)
	fmt.Fprintf(&b, ".SH \"SYNOPSIS\"\n.TP\n\\fB%s%s", u.App.Name, summary(u.App.FlagGroupModel, u.App.ArgGroupModel))
	if len(u.App.Commands) > 0 {
		b.WriteString(" <command> [<args> ...]")
	}
	fmt.Fprintf(&b, "\\fR\n\n.SH \"DESCRIPTION\"\n%s\n.SH \"OPTIONS\"\n", u.App.Help)
	manPageOfFlags(&b, u.App.Flags)
	if len(u.App.Commands) > 0 {
		b.WriteString(".SH \"COMMANDS\"\n")
	}
	for _, c := range u.App.FlattenedCommands() {
		if c.Hidden {
			continue
		}
		fmt.Fprintf(&b, ".SS\n\\fB%s%s\\fR\n.PP\n%s\n", c.FullCommand, summary(c.FlagGroupModel, c.ArgGroupModel), c.Help)
		manPageOfFlags(&b, c.Flags)
	}
	return b.String()
}

func manPageOfFlags(b *strings.Builder, flags []*FlagModel) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		b.WriteString(".TP\n\\fB")
		if f.Short != 0 {
			fmt.Fprintf(b, "-%c, ", f.Short)
		}
		b.WriteString("--" + f.Name)
		if !f.IsBoolFlag() {
			b.WriteString("=" + f.FormatPlaceHolder())
		}
		fmt.Fprintf(b, "\\fR\n%s\n", f.Help)
	}
}

func bashCompletion(u *Usage) string {
	return strings.ReplaceAll(`
_NAME_bash_autocomplete() {
    local cur prev opts base
    COMPREPLY=()
    cur="${COMP_WORDS[COMP_CWORD]}"
    opts=$( ${COMP_WORDS[0]} --completion-bash "${COMP_WORDS[@]:1:$COMP_CWORD}" )
    COMPREPLY=( $(compgen -W "${opts}" -- ${cur}) )
    return 0
}
complete -F _NAME_bash_autocomplete -o default NAME

`, "NAME", u.App.Name)
}

func zshCompletion(u *Usage) string {
	return strings.ReplaceAll(`#compdef NAME

_NAME() {
    local matches=($(${words[1]} --completion-bash "${(@)words[2,$CURRENT]}"))
    compadd -a matches

    if [[ $compstate[nmatches] -eq 0 && $words[$CURRENT] != -* ]]; then
        _files
    fi
}

if [[ "$(basename -- ${(%):-%x})" != "_NAME" ]]; then
    compdef _NAME NAME
fi
`, "NAME", u.App.Name)
}
