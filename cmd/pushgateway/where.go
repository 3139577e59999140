package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
	"pushgateway/internal/grouping"
	"pushgateway/internal/intake"
	"pushgateway/internal/metric"
)

// urlVariable is the environment variable that sets the gateway's address.
const urlVariable = "PUSHGATEWAY_URL"

// tokenVariable is the environment variable that names a file with the token
// to send.
const tokenVariable = "PUSHGATEWAY_TOKEN_FILE"

// where holds the address of a gateway and how to talk to it.
type where struct {
	client.Config
	timeout time.Duration
}

// addWhere adds the flags for the gateway's address and the timeout.
func addWhere(clause *kingpin.CmdClause) *where {
	w := addAddress(clause, "0s")
	clause.Flag("timeout", "Maximum duration of the whole command, including retries. 0 means no limit.").Default("30s").DurationVar(&w.timeout)
	return w
}

// addAddress adds the flags for the gateway's address, without a timeout.
func addAddress(clause *kingpin.CmdClause, retry string) *where {
	w := new(where)
	w.TokenFile, w.TokenFrom = os.Getenv(tokenVariable), "$"+tokenVariable
	clause.Flag("url", "The gateway's address: [http(s)://][user:password@]host:port[/prefix], or unix:/path/of/socket[:/prefix], or https+unix:/path.").Default("http://localhost:9091").Envar(urlVariable).StringVar(&w.URL)
	clause.Flag("http.config.file", "File with the HTTP client configuration, in the format of Prometheus: TLS, basic auth, authorization, proxy. Without credentials in it or in --url, the commands send the token in the file that $PUSHGATEWAY_TOKEN_FILE names.").Default("").StringVar(&w.File)
	clause.Flag("retry", "How long to retry, with growing pauses, while the gateway cannot be reached, does not answer, or has no room. A try that hangs ends after half of the time that is left. 0 means no retries.").Default(retry).DurationVar(&w.Retry)
	return w
}

// String returns the URL without its password.
func (w *where) String() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "the gateway"
	}
	return u.Redacted()
}

// check returns an error for times that cannot work.
func (w *where) check() error {
	if err := w.checkTimes(); err != nil {
		return err
	}
	_, err := client.New(w.Config)
	return err
}

func (w *where) checkTimes() error {
	if w.timeout < 0 || w.Retry < 0 {
		return errors.New("--timeout and --retry must not be negative")
	}
	return nil
}

// talk calls f with a client and with a context that ends at the timeout.
func (w *where) talk(ctx context.Context, f func(context.Context, *client.Client) error) error {
	c, err := client.New(w.Config)
	if err != nil {
		return err
	}
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	return f(ctx, c)
}

// which holds the grouping key of one group.
type which struct {
	job    string
	labels []string
}

// addWhich adds the flags for the grouping key.
func addWhich(clause *kingpin.CmdClause) *which {
	w := new(which)
	clause.Flag("job", "The job label of the group.").Short('j').PlaceHolder("NAME").StringVar(&w.job)
	clause.Flag("label", "Another label of the grouping key. Repeatable. A name with characters other than letters, digits and _ needs a gateway with --push.enable-utf8-names.").Short('l').PlaceHolder("NAME=VALUE").StringsVar(&w.labels)
	return w
}

// key returns the grouping key.
func (w *which) key() (grouping.Key, error) {
	if w.job == "" {
		return "", errors.New("--job is missing; it names the group")
	}
	labels := make([]metric.Label, 0, len(w.labels))
	for _, s := range w.labels {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return "", fmt.Errorf("--label=%q: it must be of the form name=value", s)
		}
		if err := (grouping.Decoder{UTF8Names: true}).CheckName(name); err != nil {
			return "", fmt.Errorf("--label=%q: %w", s, err)
		}
		if name == metric.JobLabel {
			return "", fmt.Errorf("--label=%q: --job sets the job label; leave this one out", s)
		}
		if slices.ContainsFunc(labels, func(l metric.Label) bool { return l.Name == name }) {
			return "", fmt.Errorf("--label=%q: %s is set twice; give each label once", s, name)
		}
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	return grouping.NewKey(w.job, labels...)
}

// checkAll returns the first error.
func checkAll(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkTTL checks a time to live, the value of a flag, that goes to the gateway as
// it is.
func checkTTL(flag, ttl string) error {
	if ttl == "" {
		return nil
	}
	if _, err := intake.ParseTTL(ttl); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}
