package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
	"pushgateway/internal/grouping"
	"pushgateway/internal/intake"
	"pushgateway/internal/metric"
)

// urlVariable says where the gateway is, for those who do not want to say it
// each time.
const urlVariable = "PUSHGATEWAY_URL"

// where says which gateway a command talks to, and how.
type where struct {
	client.Config
	timeout time.Duration
}

// addWhere adds the flags for that.
func addWhere(clause *kingpin.CmdClause) *where {
	w := addAddress(clause, "0s")
	clause.Flag("timeout", "How long everything may take, trying again included. 0 means no limit.").Default("30s").DurationVar(&w.timeout)
	return w
}

// addAddress adds those flags that need no limit of time.
func addAddress(clause *kingpin.CmdClause, retry string) *where {
	w := new(where)
	clause.Flag("url", "Where the gateway is: [http(s)://][user:password@]host:port[/prefix], or unix:///path/of/socket.").Default("http://localhost:9091").Envar(urlVariable).StringVar(&w.URL)
	clause.Flag("http.config.file", "Configuration of HTTP clients as Prometheus has it: TLS, basic auth, authorization, proxy.").Default("").StringVar(&w.File)
	clause.Flag("retry", "How long to try again, with growing pauses, if the gateway cannot be reached or has no room. 0 means not to.").Default(retry).DurationVar(&w.Retry)
	return w
}

// String is the URL without a password.
func (w *where) String() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "the gateway"
	}
	return u.Redacted()
}

// check finds what cannot work.
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

// talk gives f a client, for as long as the timeout allows.
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

// which names a group.
type which struct {
	job    string
	labels []string
}

// addWhich adds the flags for that.
func addWhich(clause *kingpin.CmdClause) *which {
	w := new(which)
	clause.Flag("job", "The job of the group.").Short('j').PlaceHolder("NAME").StringVar(&w.job)
	clause.Flag("label", "Another grouping label. Can be given more than once. A name with more than letters, digits and _ needs a gateway with --push.enable-utf8-names.").Short('l').PlaceHolder("NAME=VALUE").StringsVar(&w.labels)
	return w
}

// key gives the grouping key.
func (w *which) key() (grouping.Key, error) {
	if w.job == "" {
		return "", errors.New("--job is needed: it names the group")
	}
	labels := make([]metric.Label, 0, len(w.labels))
	for _, s := range w.labels {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return "", fmt.Errorf("--label=%q is not of the form name=value", s)
		}
		if err := (grouping.Decoder{UTF8Names: true}).CheckName(name); err != nil {
			return "", fmt.Errorf("--label=%q: %w", s, err)
		}
		if name == metric.JobLabel {
			return "", fmt.Errorf("--label=%q: the job is what --job says", s)
		}
		if slices.ContainsFunc(labels, func(l metric.Label) bool { return l.Name == name }) {
			return "", fmt.Errorf("--label=%q: %s is given twice; a group has one value of each label", s, name)
		}
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	return grouping.NewKey(w.job, labels...)
}

// checkAll gives the first error.
func checkAll(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkTTL checks a time to live that is given to the gateway as it is.
func checkTTL(ttl string) error {
	if ttl == "" {
		return nil
	}
	if _, err := intake.ParseTTL(ttl); err != nil {
		return fmt.Errorf("--ttl: %w", err)
	}
	return nil
}
