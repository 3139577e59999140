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
			return fmt.Errorf("%q is not a supported shell; choose one of %v", *shell, shells)
		}
		return nil
	}
	return command{clause, check, func(context.Context) error {
		_, err := io.WriteString(stdout, completions[*shell])
		return err
	}}
}

// completions ask the program itself for candidates, which kingpin answers.
// They pass on the current word only if it is a flag, since kingpin takes the
// beginning of a command for an argument. The words after -- are the command of
// a job, where files are completed. In zsh, the file itself is the function on
// first use.
var completions = map[string]string{
	"bash": `_pushgateway() {
    local word="${COMP_WORDS[COMP_CWORD]}"
    local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    COMPREPLY=()
    [[ " ${words[*]} " == *" -- "* ]] && return
    [[ $word == -* ]] && words+=("$word")
    COMPREPLY=($(compgen -W "$(pushgateway --completion-bash "${words[@]}")" -- "$word"))
}
complete -o default -F _pushgateway pushgateway
`,
	"zsh": `#compdef pushgateway
_pushgateway() {
    local -a found asked
    asked=("${(@)words[2,CURRENT-1]}")
    if (( ! $asked[(Ie)--] )); then
        [[ $words[CURRENT] == -* ]] && asked+=("$words[CURRENT]")
        found=(${(f)"$(pushgateway --completion-bash "${asked[@]}")"})
    fi
    compadd -a found || _files
}
if [[ $funcstack[1] == _pushgateway ]]; then
    _pushgateway "$@"
else
    compdef _pushgateway pushgateway
fi
`,
	"fish": `function __pushgateway_complete
    set -l asked (commandline -opc)[2..-1]
    set -l found
    if not contains -- -- $asked
        string match -q -- '-*' (commandline -ct); and set -a asked (commandline -ct)
        set found (pushgateway --completion-bash $asked | string match -v '')
    end
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c pushgateway -f -a '(__pushgateway_complete)'
`,
}
