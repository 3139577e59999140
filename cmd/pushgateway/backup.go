package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/storage"
)

// newBackup adds the command that copies the groups of a running gateway.
func newBackup(app *kingpin.Application, stdout io.Writer) command {
	clause := app.Command("backup", "Copy all groups of a running gateway into a persistence file, while pushes go on. The gateway must have been started with --web.enable-admin-api.")
	output := clause.Arg("file", "The persistence file to write. One of that name is replaced once the copy is complete.").Required().String()
	base := clause.Flag("url", "Where the gateway is; with user:password@ before the host for basic auth.").Default("http://localhost:9091").URL()
	return command{clause, nothingToCheck, func(ctx context.Context) error {
		err := toFile(*output, nil, func(w io.Writer) error { return fetchSnapshot(ctx, *base, w) })
		if err != nil {
			return fmt.Errorf("backing up %s to %s: %w", (*base).Redacted(), *output, err)
		}
		r, err := storage.Verify(ctx, *output)
		if err != nil {
			return err
		}
		return printReport(stdout, *output, r)
	}}
}

func fetchSnapshot(ctx context.Context, base *url.URL, w io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("api/v1/admin/snapshot").String(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // a part says enough
		return fmt.Errorf("the gateway answered %s: %s", res.Status, strings.TrimSpace(string(why)))
	}
	n, err := io.Copy(w, res.Body)
	if err == nil && n != res.ContentLength && res.ContentLength >= 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}
