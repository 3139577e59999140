package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
)

// newHealthcheck adds the command that checks whether a gateway works.
func newHealthcheck(app *kingpin.Application) command {
	clause := app.Command("healthcheck", "Check whether the gateway works: exit with 0 if it does, and with 1 if not. Without --url, the command finds the gateway that runs on this machine or in this container. It takes the address, the route prefix and the use of TLS from the flags of that process, and does not verify the certificate. With --web.telemetry-listen-address, health is only there, and --url must name that address. A gateway that asks for a password or a client certificate counts as working; --for=push needs the credentials in --http.config.file.").HelpLong(`Examples:
  pushgateway healthcheck
  pushgateway healthcheck --for=push --url=http://localhost:9091/prefix
  curl "$(pushgateway healthcheck --print-telemetry-url)/metrics"`)
	gw := addWhere(clause)
	var given bool
	clause.GetFlag("url").IsSetByUser(&given)
	paths := map[string]string{"alive": "/-/healthy", "scrape": "/-/ready", "push": "/-/ready?for=push"}
	what := clause.Flag("for", "What to check. alive: the gateway answers. scrape: it has read its persistence file or its stream. push: it also accepts pushes.").Default("scrape").HintOptions("alive", "scrape", "push").String()
	printURL := clause.Flag("print-url", "Print the URL for pushes and the API if the check succeeds.").Bool()
	printTelemetry := clause.Flag("print-telemetry-url", "Print the URL for scrapes and health if the check succeeds. It differs from the other one with --web.telemetry-listen-address.").Bool()
	check := func() error {
		if paths[*what] == "" {
			return oneOf("for", *what, "alive", "scrape", "push")
		}
		return gw.check()
	}
	return command{clause, check, func(ctx context.Context) error {
		here := &running{main: gw.URL, telemetry: gw.URL}
		if !given && os.Getenv(urlVariable) == "" {
			var err error
			if here, err = gw.findHere(*what == "push"); err != nil {
				return err
			}
		}
		err := gw.talk(ctx, func(ctx context.Context, c *client.Client) error { return c.Check(ctx, paths[*what]) })
		if *what != "push" && client.WantsCredentials(err) {
			err = nil // it is alive, and lets nobody in without credentials
		}
		if err != nil {
			return err
		}
		return here.print(os.Stdout, *printURL, *printTelemetry)
	}}
}

// print writes the URLs that are asked for, a line each.
func (r *running) print(to io.Writer, main, telemetry bool) error {
	if main && r.main == "" {
		return errors.New("--print-url: the flags of the gateway that runs here do not say its port; give --url")
	}
	for _, line := range []struct {
		wanted bool
		url    string
	}{{main, r.main}, {telemetry, r.telemetry}} {
		if line.wanted {
			fmt.Fprintln(to, strings.TrimSuffix(line.url, "/"))
		}
	}
	return nil
}

// findHere takes the address for health of the gateway that runs here, if there
// is one. needsToken says whether to send it the token.
func (w *where) findHere(needsToken bool) (*running, error) {
	here, err := findRunning()
	if err != nil {
		return nil, err
	}
	if here == nil {
		return &running{main: w.URL, telemetry: w.URL}, nil
	}
	w.URL, w.Here = here.telemetry, true
	if !needsToken {
		w.TokenFile = "" // nobody has verified that it is a gateway
	}
	return here, nil
}
