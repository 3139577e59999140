package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"
	"github.com/prometheus/prometheus/model/labels"

	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
)

// settings are what the command line says.
type settings struct {
	web *web.FlagConfig
	log *promslog.Config

	telemetryPath     string
	externalURL       *url.URL
	corsOrigin        string
	allowedHosts      string
	origins           httpapi.Origins // what follows from these three
	routePrefix       string          // "" or like "/gw"
	enableLifecycle   bool
	enableAdmin       bool
	enablePprof       bool
	enableOpenMetrics bool
	readTimeout       time.Duration
	proxies           guard.Proxies

	persistenceFile     string
	persistenceInterval time.Duration
	persistenceSalvage  bool

	unchecked        bool
	utf8Names        bool
	maxBodyBytes     units.Base2Bytes
	maxInflightBytes units.Base2Bytes
	ttl              intake.TTL
	timestamps       string // "reject" or "strip"
	lenientNewlines  bool
	reservedNames    namesValue

	flags map[string]string // all, as /api/v1/status shows them
}

// newServe adds the command that serves.
func newServe(app *kingpin.Application) command {
	c := new(settings)
	serving := app.Command("serve", "Serve pushes and scrapes. This is what happens without a command.").Default().HelpLong(`Examples:
  pushgateway
  pushgateway --persistence.file=/var/lib/pushgateway/metrics.db --web.enable-admin-api --push.ttl=30d`)
	c.addFlags(serving)
	return command{
		clause: serving,
		check: func() error {
			if err := c.validate(); err != nil {
				return err
			}
			c.resolve()
			c.flags = flagValues(serving)
			return nil
		},
		run: func(ctx context.Context) error { return serve(ctx, c) },
	}
}

func (c *settings) addFlags(serve *kingpin.CmdClause) {
	c.web = webflag.AddFlags(serve, ":9091")
	serve.Flag("web.telemetry-path", "Path under which to expose metrics.").Default("/metrics").StringVar(&c.telemetryPath)
	serve.Flag("web.external-url", "The URL under which the Pushgateway is externally reachable.").Default("").URLVar(&c.externalURL)
	serve.Flag("web.route-prefix", "Prefix for the internal routes of web endpoints. Defaults to the path of --web.external-url.").Default("").StringVar(&c.routePrefix)
	serve.Flag("web.enable-lifecycle", "Enable shutdown via HTTP request.").Default("false").BoolVar(&c.enableLifecycle)
	serve.Flag("web.enable-admin-api", "Enable API endpoints for admin control actions.").Default("false").BoolVar(&c.enableAdmin)
	serve.Flag("web.enable-pprof", "Serve profiles under /debug/pprof/.").Default("false").BoolVar(&c.enablePprof)
	serve.Flag("web.enable-openmetrics", "Answer scrapes in OpenMetrics if asked for. It renames counters that lack _total.").Default("false").BoolVar(&c.enableOpenMetrics)
	serve.Flag("web.cors.origin", "Regular expression, anchored, of the origins whose pages may ask, push and delete from a browser, like https?://(a|b)\\.example\\.org. Empty allows the gateway's own page alone.").Default("").StringVar(&c.corsOrigin)
	serve.Flag("web.allowed-hosts", "Host names and addresses, separated by commas, under which browsers may use the gateway. Others are refused, which stops pages that make their own name lead here. Empty allows any.").Default("").StringVar(&c.allowedHosts)
	serve.Flag("web.read-timeout", "Time in which a request must have arrived whole. 0 means no limit.").Default("1m").DurationVar(&c.readTimeout)
	serve.Flag("web.trusted-proxies", "Networks of proxies that are believed what X-Forwarded-For says of their clients, like 10.0.0.0/8,192.0.2.7. Otherwise a proxy counts as one client.").Default("").SetValue((*proxiesValue)(&c.proxies))

	serve.Flag("persistence.file", "File to persist metrics. If empty, metrics are only kept in memory. A file that Pushgateway 1.11 has written is imported and left alone; <file>.db is used from then on.").Default("").Envar("PUSHGATEWAY_PERSISTENCE_FILE").StringVar(&c.persistenceFile)
	serve.Flag("persistence.interval", "The minimum interval at which to write out the persistence file. 0 writes at once: a push is answered when it is on disk. With more, pushes are answered before, and a crash loses up to that much.").Default("0s").DurationVar(&c.persistenceInterval)
	serve.Flag("persistence.salvage", "Start from the groups that are whole if the persistence file is damaged. The damaged file is kept aside, and what was lost is logged.").Default("false").BoolVar(&c.persistenceSalvage)

	serve.Flag("push.disable-consistency-check", "Take pushes that contradict others: they are answered 202, and where two cannot both be exposed the older is.").Default("false").BoolVar(&c.unchecked)
	serve.Flag("push.enable-utf8-names", "Allow UTF-8 names: of metrics and labels in text, and of labels in grouping keys, where the U__ escaping is read then. Protobuf takes them always.").Default("false").BoolVar(&c.utf8Names)
	bytesFlag(serve, &c.maxBodyBytes, "push.max-body-bytes", "Size that a push may have, as it comes and after unpacking, like 64MiB or 1000000; larger ones are answered 413.", "64MiB")
	bytesFlag(serve, &c.maxInflightBytes, "push.max-inflight-bytes", "Memory that all pushes together may take while they are being worked on: their bodies and all that is made of them. A push that finds too little left is answered 429, one that needs more alone 413.", "512MiB")

	ttlFlag(serve, &c.ttl.Default, "push.ttl", "How long a group lives that nobody pushes to, like 24h or 7d, where the push does not say it with X-Pushgateway-TTL or ?ttl=. 0 means for ever.")
	ttlFlag(serve, &c.ttl.Max, "push.max-ttl", "The longest that a push may ask for, and what it gets if neither it nor --push.ttl says anything. 0 means no limit.")
	serve.Flag("push.timestamps", "What to do with timestamps in pushes: reject the push, or strip them.").Default("reject").StringVar(&c.timestamps)
	serve.Flag("push.lenient-newlines", "Take text with CRLF line ends, or without a newline at its end.").Default("false").BoolVar(&c.lenientNewlines)
	serve.Flag("push.reserved-names", "Refuse pushes of metrics with names that this regular expression matches from start to end, like up|scrape_.*|ALERTS.*; with honor_labels, they can pass for series that Prometheus makes itself. Empty refuses none.").Default("").SetValue(&c.reservedNames)

	c.log = &promslog.Config{Level: promslog.NewLevel(), Format: promslog.NewFormat()}
	serve.Flag(promslogflag.LevelFlagName, promslogflag.LevelFlagHelp).Default("info").SetValue(c.log.Level)
	serve.Flag(promslogflag.FormatFlagName, promslogflag.FormatFlagHelp).Default("logfmt").SetValue(c.log.Format)
}

// ttlFlag adds a flag that is a time to live.
func ttlFlag(serve *kingpin.CmdClause, to *time.Duration, name, help string) {
	serve.Flag(name, help).Default("0").SetValue((*ttlValue)(to))
}

// ttlValue is the value of such a flag.
type ttlValue time.Duration

// Set is for kingpin.
func (v *ttlValue) Set(s string) (err error) {
	*(*time.Duration)(v), err = intake.ParseTTL(s)
	return err
}

// String is for kingpin.
func (v *ttlValue) String() string { return model.Duration(*v).String() }

// bytesFlag adds a flag that is a size.
func bytesFlag(serve *kingpin.CmdClause, to *units.Base2Bytes, name, help, value string) {
	serve.Flag(name, help).Default(value).SetValue((*bytesValue)(to))
}

// bytesValue is the value of such a flag: with a unit, or a number of bytes.
type bytesValue units.Base2Bytes

// Set is for kingpin.
func (v *bytesValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		var size units.Base2Bytes
		size, err = units.ParseBase2Bytes(s)
		n = int64(size)
	}
	if err != nil {
		return errors.New("it is no size; write it like 64MiB, or as a number of bytes")
	}
	*v = bytesValue(n)
	return nil
}

// String is for kingpin.
func (v *bytesValue) String() string { return units.Base2Bytes(*v).String() }

// namesValue is the value of a flag that is a regular expression for names,
// anchored as those of Prometheus are.
type namesValue struct {
	matcher *labels.FastRegexMatcher // nil if it is empty, and matches nothing
}

// Set is for kingpin.
func (v *namesValue) Set(s string) (err error) {
	if v.matcher = nil; s == "" {
		return nil
	}
	if v.matcher, err = labels.NewFastRegexMatcher(s); err != nil {
		return fmt.Errorf("it is no regular expression: %w; write it like up|scrape_.*|ALERTS.*", err)
	}
	return nil
}

// String is for kingpin.
func (v *namesValue) String() string {
	if v.matcher == nil {
		return ""
	}
	return v.matcher.GetRegexString()
}

// proxiesValue is the value of a flag that is a list of networks.
type proxiesValue guard.Proxies

// Set is for kingpin.
func (v *proxiesValue) Set(s string) (err error) {
	*(*guard.Proxies)(v), err = guard.ParseProxies(s)
	return err
}

// String is for kingpin.
func (v *proxiesValue) String() string {
	var all []string
	for _, network := range *v {
		all = append(all, network.String())
	}
	return strings.Join(all, ",")
}

// minBodyBytes is the least that may be set: with less a gateway would refuse
// everything, which nobody wants who leaves out a unit.
const minBodyBytes = units.KiB

// validate finds what cannot work, and changes nothing.
func (c *settings) validate() error {
	return checkAll(c.checkPersistence, c.checkAddresses, c.checkWebConfig, c.checkOrigins, c.checkPaths, c.checkPushes)
}

// resolve works out what follows from what was given: paths in the form that
// counts, and who is trusted. It is for settings that are valid.
func (c *settings) resolve() {
	c.routePrefix = c.prefix()
	c.telemetryPath = path.Clean(c.telemetryPath) // requests for any other form are redirected to this
	c.origins, _ = c.trusted()                    // validate has seen the error
}

func (c *settings) checkPersistence() error {
	if c.persistenceInterval < 0 {
		return fmt.Errorf("--persistence.interval=%s: it must not be negative; 0 writes at once", c.persistenceInterval)
	}
	if c.persistenceSalvage && c.persistenceFile == "" {
		return errors.New("--persistence.salvage: there is nothing to salvage without --persistence.file")
	}
	return nil
}

func (c *settings) checkPushes() error {
	if c.maxBodyBytes < minBodyBytes {
		return fmt.Errorf("--push.max-body-bytes=%s: it must be %s at least; write it like 64MiB", c.maxBodyBytes, minBodyBytes)
	}
	if c.maxInflightBytes < c.maxBodyBytes {
		return fmt.Errorf("--push.max-inflight-bytes=%s: it must not be less than --push.max-body-bytes=%s, or the largest pushes would never be taken", c.maxInflightBytes, c.maxBodyBytes)
	}
	if c.timestamps != "reject" && c.timestamps != "strip" {
		return fmt.Errorf("--push.timestamps=%q: it must be reject or strip", c.timestamps)
	}
	if err := c.ttl.Check(); err != nil {
		return err
	}
	if c.readTimeout < 0 {
		return fmt.Errorf("--web.read-timeout=%s: it must not be negative; 0 means no limit", c.readTimeout)
	}
	return nil
}

func (c *settings) checkPaths() error {
	if strings.ContainsAny(c.prefix(), ":*") {
		return fmt.Errorf("--web.route-prefix=%q: a prefix cannot contain ':' or '*'", c.prefix())
	}
	if err := checkTelemetryPath(c.telemetryPath); err != nil {
		return fmt.Errorf("--web.telemetry-path=%q: %w", c.telemetryPath, err)
	}
	return nil
}

// prefix is what comes before all paths, in one form: "" or like "/gw".
func (c *settings) prefix() string {
	prefix := c.routePrefix
	if prefix == "" && c.externalURL != nil {
		prefix = c.externalURL.Path
	}
	if prefix = path.Clean("/" + prefix); prefix == "/" {
		return ""
	}
	return prefix
}

// checkAddresses finds addresses that are not a host and a port, like 9091.
func (c *settings) checkAddresses() error {
	for _, address := range *c.web.WebListenAddresses {
		if address == "" {
			continue // any port that is free
		}
		if _, _, err := net.SplitHostPort(strings.TrimPrefix(address, "vsock://")); err != nil {
			return fmt.Errorf("--web.listen-address=%q: it must be a port, or a host and a port, like :9091, 127.0.0.1:9091 or [::1]:9091", address)
		}
	}
	return nil
}

// checkWebConfig reads the file for TLS and passwords, if there is to be one.
func (c *settings) checkWebConfig() error {
	file := *c.web.WebConfigFile
	err := web.Validate(file)
	if err == nil {
		return nil
	}
	if _, missing := os.Stat(file); errors.Is(missing, fs.ErrNotExist) {
		err = errors.New("there is no such file; write it, or leave the flag out to serve without TLS and passwords")
	}
	return fmt.Errorf("--web.config.file=%q: %w", file, err)
}

func (c *settings) checkOrigins() error {
	_, err := c.trusted()
	return err
}

// trusted reads which pages, and which hosts, browsers may use: the gateway's own
// page, also where browsers see it, and those that flags name.
func (c *settings) trusted() (o httpapi.Origins, err error) {
	o.Protection = http.NewCrossOriginProtection()
	if u := c.externalURL; u != nil && u.Host != "" {
		if err := o.Protection.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return o, fmt.Errorf("--web.external-url=%q: %w", u, err)
		}
	}
	if c.corsOrigin != "" {
		if o.Allowed, err = regexp.Compile("^(?s:" + c.corsOrigin + ")$"); err != nil {
			return o, fmt.Errorf("--web.cors.origin=%q: it must be a regular expression like https?://(a|b)\\.example\\.org: %w", c.corsOrigin, err)
		}
	}
	o.Hosts, err = hostsOf(c.allowedHosts)
	return o, err
}

// hostsOf reads a list of host names and addresses.
func hostsOf(list string) (hosts []string, err error) {
	for host := range strings.SplitSeq(list, ",") {
		if host = strings.Trim(strings.TrimSpace(host), "[]"); host == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(host); err == nil || strings.Contains(host, "/") {
			return nil, fmt.Errorf("--web.allowed-hosts: %q must be a name or an address without a port, like gateway.example.org", host)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// taken are paths that the telemetry path would shadow.
var taken = []string{"/", "/status", "/-/healthy", "/-/ready", "/-/quit"}

func checkTelemetryPath(given string) error {
	if !strings.HasPrefix(given, "/") || strings.ContainsAny(given, ":*") || strings.HasSuffix(given, "/") {
		return errors.New("it must be a path like /metrics, without ':' or '*' and without a slash at its end")
	}
	clean := path.Clean(given)
	for _, prefix := range []string{"/api/", "/static/", "/debug/", "/metrics/job/"} {
		if strings.HasPrefix(clean, prefix) {
			return fmt.Errorf("paths under %s are taken", prefix)
		}
	}
	if slices.Contains(taken, clean) {
		return errors.New("that path is taken")
	}
	return nil
}

// flagValues are all flags of the command with what they are set to.
func flagValues(serve *kingpin.CmdClause) map[string]string {
	values := make(map[string]string)
	for _, f := range serve.Model().Flags {
		values[f.Name] = f.Value.String()
	}
	return values
}

// buildInfo is what /api/v1/status tells of the build.
func buildInfo() map[string]string {
	return map[string]string{
		"version":   version.Version,
		"revision":  version.GetRevision(),
		"branch":    version.Branch,
		"buildUser": version.BuildUser,
		"buildDate": version.BuildDate,
		"goVersion": runtime.Version(),
	}
}
