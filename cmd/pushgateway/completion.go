package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/alecthomas/kingpin/v2"
)

// newCompletion adds the command that writes completions for shells.
func newCompletion(app *kingpin.Application, stdout io.Writer) command {
	clause := app.Command("completion", "Write the completion of commands and flags for a shell.").HelpLong(`Examples:
  pushgateway completion bash > /etc/bash_completion.d/pushgateway
  pushgateway completion zsh > "${fpath[1]}/_pushgateway"
  pushgateway completion fish > ~/.config/fish/completions/pushgateway.fish`)
	shells := []string{"bash", "zsh", "fish"}
	shell := clause.Arg("shell", "bash, zsh or fish.").Required().HintOptions(shells...).String()
	check := func() error {
		if !slices.Contains(shells, *shell) {
			return fmt.Errorf("%q is not one of the shells %v", *shell, shells)
		}
		return nil
	}
	return command{clause, check, func(context.Context) error {
		_, err := io.WriteString(stdout, completions[*shell])
		return err
	}}
}

// completions ask the program itself what fits, which kingpin answers. It is
// told of the word at hand only if that is a flag: it takes the beginning of a
// command for an argument.
var completions = map[string]string{
	"bash": `_pushgateway() {
    local word="${COMP_WORDS[COMP_CWORD]}"
    local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    [[ $word == -* ]] && words+=("$word")
    COMPREPLY=($(compgen -W "$(pushgateway --completion-bash "${words[@]}")" -- "$word"))
}
complete -o default -F _pushgateway pushgateway
`,
	"zsh": `#compdef pushgateway
_pushgateway() {
    local -a found asked
    asked=("${(@)words[2,CURRENT-1]}")
    [[ $words[CURRENT] == -* ]] && asked+=("$words[CURRENT]")
    found=(${(f)"$(pushgateway --completion-bash "${asked[@]}")"})
    compadd -a found || _files
}
compdef _pushgateway pushgateway
`,
	"fish": `function __pushgateway_complete
    set -l asked (commandline -opc)[2..-1]
    string match -q -- '-*' (commandline -ct); and set -a asked (commandline -ct)
    pushgateway --completion-bash $asked
end
complete -c pushgateway -a '(__pushgateway_complete)'
`,
}
