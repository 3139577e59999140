package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
)

// newHealthcheck adds the command that asks whether a gateway works.
func newHealthcheck(app *kingpin.Application) command {
	clause := app.Command("healthcheck", "Exit with 0 if the gateway works, and with 1 if it does not. Without --url it asks the gateway that runs on this machine, or in this container: the flags of that process give the port, the route prefix, and whether to use TLS. The certificate is not verified then. A gateway that asks for a password or a client certificate works; --for=push needs them in --http.config.file.").HelpLong(`Examples:
  pushgateway healthcheck
  pushgateway healthcheck --for=push --url=http://localhost:9091/prefix
  curl "$(pushgateway healthcheck --print-url)/metrics"`)
	gw := addWhere(clause)
	var given bool
	clause.GetFlag("url").IsSetByUser(&given)
	paths := map[string]string{"alive": "/-/healthy", "scrape": "/-/ready", "push": "/-/ready?for=push"}
	what := clause.Flag("for", "alive: it answers at all. scrape: it has read its persistence file. push: it also takes pushes.").Default("scrape").HintOptions("alive", "scrape", "push").String()
	printURL := clause.Flag("print-url", "Print the URL of the gateway if it works.").Bool()
	check := func() error {
		if paths[*what] == "" {
			return fmt.Errorf("--for=%q: it must be alive, scrape or push", *what)
		}
		return gw.check()
	}
	return command{clause, check, func(ctx context.Context) error {
		if !given && os.Getenv(urlVariable) == "" {
			if err := gw.findHere(); err != nil {
				return err
			}
		}
		err := gw.talk(ctx, func(ctx context.Context, c *client.Client) error { return c.Check(ctx, paths[*what]) })
		if *what != "push" && client.WantsCredentials(err) {
			err = nil // it answers, and to more than that it lets in nobody
		}
		if err == nil && *printURL {
			fmt.Println(strings.TrimSuffix(gw.URL, "/"))
		}
		return err
	}}
}

// findHere takes the address from the gateway that runs here, if there is one.
func (w *where) findHere() error {
	url, err := findRunning()
	if err == nil && url != "" {
		w.URL, w.Here = url, true
	}
	return err
}
