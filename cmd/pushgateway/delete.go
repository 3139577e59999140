package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
	"pushgateway/internal/grouping"
)

// newDelete adds the command that deletes groups.
func newDelete(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("delete", "Delete one group by its grouping key, or all groups that a selector matches. Selectors need a gateway with --web.enable-admin-api.").HelpLong(`Examples:
  pushgateway delete --job=backup --label=instance=db1
  pushgateway delete --match='{job="backup",instance=~"old-.*"}' --dry-run
  pushgateway delete --match='{job="backup"}' --older-than=24h`)
	group, gw, filter := addWhich(clause), addWhere(clause), addFilter(clause, "Only groups whose last push was refused for its content.")
	dry := clause.Flag("dry-run", "Only list the groups that would be deleted.").Bool()
	var key grouping.Key
	check := func() (err error) {
		one := group.job != "" || len(group.labels) > 0
		switch {
		case one && !filter.empty():
			return errors.New("name one group with --job and --label, or select groups with --match, --older-than, --failing, --expiring or --search, but not both")
		case !one && filter.empty():
			return errors.New("say what to delete: name one group with --job and --label, or select groups with --match, --older-than, --failing, --expiring or --search")
		case !one:
			return cmp.Or(filter.check(), gw.check())
		case *dry:
			return errors.New("--dry-run works only with selected groups; use pushgateway get to see a single one")
		}
		if key, err = group.key(); err != nil {
			return err
		}
		return gw.check()
	}
	return command{clause, check, func(ctx context.Context) error {
		return gw.talk(ctx, func(ctx context.Context, c *client.Client) error {
			if key != "" {
				if c.Absent(ctx, key) {
					fmt.Fprintf(stderr, "There is no group %s.\n", key)
				}
				return describe("deleting "+key.String(), c.Delete(ctx, key))
			}
			groups, err := c.DeleteGroups(ctx, filter.Filter, *dry)
			if err != nil {
				return describe("deleting groups", err)
			}
			if len(groups) == 0 {
				fmt.Fprintln(stderr, "No group matches.")
			}
			for _, labels := range groups {
				fmt.Fprintln(stdout, showLabels(labels))
			}
			return nil
		})
	}}
}

// describe adds the operation to an error.
func describe(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
