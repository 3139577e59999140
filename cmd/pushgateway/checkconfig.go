package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/config"
)

// newCheckConfig adds the command that checks configuration files.
func newCheckConfig(check *kingpin.CmdClause, stdin io.Reader, stdout io.Writer) command {
	clause := check.Command("config", "Check files for --config.file: keys, values, selectors, and whether the files of secrets can be read. Exits with 1 if it finds anything.").HelpLong(`Examples:
  pushgateway check config /etc/pushgateway/config.yml
  helm template . | yq '.data["config.yml"]' | pushgateway check config -`)
	files := clause.Arg("file", "Configuration files. - is standard input, which is also the default.").Strings()
	return command{clause, nothingToCheck, func(context.Context) error {
		if len(*files) == 0 {
			*files = []string{"-"}
		}
		good := true
		for _, file := range *files {
			ok, err := checkConfig(file, stdin, stdout)
			if err != nil {
				return err
			}
			good = good && ok
		}
		if !good {
			return exit(exitFailed)
		}
		return nil
	}}
}

// checkConfig reports whether a file is good, and prints what is wrong.
func checkConfig(file string, stdin io.Reader, stdout io.Writer) (good bool, err error) {
	c, err := readConfig(&file, stdin)
	var mistakes config.Errors
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes {
			fmt.Fprintln(stdout, visibleLine(m.Error()))
		}
		return false, nil
	case err != nil:
		return false, err
	}
	fmt.Fprintf(stdout, "SUCCESS: %s is valid: %s\n", visibleLine(file), c.Summary())
	return true, nil
}

// readConfig reads a configuration file. It gives standard input a name.
func readConfig(file *string, stdin io.Reader) (*config.Config, error) {
	if *file != "-" && *file != "" { // kingpin turns - into ""
		return config.Load(*file)
	}
	*file = "<stdin>"
	content, err := io.ReadAll(stdin)
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	return config.Parse(*file, content)
}
