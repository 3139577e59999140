package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/nearest"
)

// unknownFlag adds to an error about a flag that does not exist which one may be
// meant. It returns nil if it cannot tell.
func unknownFlag(app *kingpin.Application, args []string, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "unknown long flag '--")
	if !ok {
		return nil
	}
	meant := nearest.To(strings.TrimSuffix(name, "'"), flagsOf(app, args))
	if meant == "" {
		return nil
	}
	return fmt.Errorf("%w; did you mean --%s?", err, meant)
}

// flagsOf returns the names of the flags that the command line can have: those of
// the program, and of the command that it names, or of the default one.
func flagsOf(app *kingpin.Application, args []string) (names []string) {
	add := func(flags []*kingpin.FlagModel) {
		for _, f := range flags {
			if names = append(names, f.Name); f.IsBoolFlag() {
				names = append(names, "no-"+f.Name)
			}
		}
	}
	add(app.Model().Flags)
	read, _ := app.ParseContext(args)
	for _, c := range app.Model().FlattenedCommands() {
		chosen := c.Default
		if read != nil && read.SelectedCommand != nil {
			chosen = c.FullCommand == read.SelectedCommand.FullCommand()
		}
		if chosen {
			add(c.Flags)
		}
	}
	return names
}

// insteadOf says which command is meant by an unknown one, or else where the
// commands are listed.
func insteadOf(app *kingpin.Application, name string) string {
	var names []string
	for _, c := range app.Model().Commands {
		names = append(names, c.Name)
	}
	if meant := nearest.To(name, names); meant != "" {
		return "did you mean " + meant + "? see " + app.Name + " --help"
	}
	return "see " + app.Name + " --help"
}

// unknownHelp returns an error if the command line asks for help about a command
// that does not exist.
func unknownHelp(app *kingpin.Application, args []string) error {
	if len(args) < 2 || args[0] != "help" || strings.HasPrefix(args[1], "-") || app.GetCommand(args[1]) != nil {
		return nil
	}
	return fmt.Errorf("unknown command %q; %s", args[1], insteadOf(app, args[1]))
}

// oneOf returns an error for the value of a flag that is none of those it can
// have.
func oneOf(flag, given string, values ...string) error {
	if slices.Contains(values, given) {
		return nil
	}
	last := len(values) - 1
	return fmt.Errorf("--%s=%q: it must be %s or %s%s", flag, given, strings.Join(values[:last], ", "), values[last], orMeant(given, values))
}

// orMeant says which of some values may be meant by another one, as the end of an
// error about it.
func orMeant(given string, values []string) string {
	if meant := nearest.To(given, values); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return ""
}
