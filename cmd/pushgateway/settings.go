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
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	webflag "github.com/prometheus/exporter-toolkit/web/kingpinflag"
	"github.com/prometheus/prometheus/model/labels"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/live"
	"pushgateway/internal/login"
)

// settings holds what the command line sets.
type settings struct {
	web *web.FlagConfig
	log *promslog.Config

	logAccess bool
	logSlow   time.Duration

	configFile string
	current    *live.Current // derived from it and from flags
	hashes     *login.Hashes // checks passwords

	telemetryAddresses []string // of scrapes and health, if they are apart
	telemetryPath      string
	externalURL        *url.URL
	corsOrigin         string
	allowedHosts       string
	origins            httpapi.Origins // derived from these three
	routePrefix        string          // "" or like "/gw"
	enableLifecycle    bool
	enableAdmin        bool
	enablePprof        bool
	enableOpenMetrics  bool

	history     int // runs of each group
	readTimeout time.Duration
	proxies     guard.Proxies

	persistenceFile     string
	persistenceInterval time.Duration
	persistenceSalvage  bool
	cluster             clusterSettings

	unchecked        bool
	utf8Names        bool
	maxBodyBytes     units.Base2Bytes
	maxInflightBytes units.Base2Bytes
	ttl              intake.TTL
	timestamps       string // "reject" or "strip"
	lenientNewlines  bool
	reservedNames    namesValue
	aggregate        string // "", or a key of aggregations
	aggregateJob     string
	otlp             otlpSettings

	flags map[string]string // all flags, as /api/v1/status shows them
	given map[string]*bool  // which of some flags are set
}

// fileVariable is the environment variable that sets --persistence.file.
const fileVariable = "PUSHGATEWAY_PERSISTENCE_FILE"

// newServe adds the command that serves pushes and scrapes.
func newServe(app *kingpin.Application) command {
	c := new(settings)
	serving := app.Command("serve", "Serve pushes and scrapes. This is the default command.").Default().HelpLong(`Examples:
  pushgateway
  pushgateway --persistence.file=/var/lib/pushgateway/metrics.db --web.enable-admin-api --push.ttl=30d`)
	c.addFlags(serving)
	return command{
		clause: serving,
		check: func() error {
			if err := checkAll(c.validate, c.openSettings); err != nil {
				return err
			}
			c.resolve()
			c.flags = flagValues(serving)
			c.cluster.adopt(c.current.Get().Cluster)
			return c.checkCluster()
		},
		run: func(ctx context.Context) error { return serve(ctx, c) },
	}
}

func (c *settings) addFlags(serve *kingpin.CmdClause) {
	serve.Flag("config.file", "File with limits, rules for groups, who may do what, and the cluster. The gateway reads it again on SIGHUP, and on POST /-/reload with --web.enable-lifecycle.").Default("").Envar("PUSHGATEWAY_CONFIG_FILE").StringVar(&c.configFile)
	c.web = webflag.AddFlags(serve, ":9091")
	serve.GetFlag("web.listen-address").Help("Address to listen on: host:port, :port, vsock://:port, or a unix socket like unix:/run/pushgateway/http.sock?mode=0660. Repeatable.")
	serve.Flag("web.telemetry-listen-address", "Address for scrapes and health alone, which --web.listen-address then no longer serves. Repeatable, and written like --web.listen-address.").PlaceHolder("ADDRESS").StringsVar(&c.telemetryAddresses)
	serve.Flag("web.telemetry-path", "Path under which to expose metrics.").Default("/metrics").StringVar(&c.telemetryPath)
	serve.Flag("web.external-url", "The URL under which the Pushgateway is externally reachable.").Default("").URLVar(&c.externalURL)
	serve.Flag("web.route-prefix", "Prefix for the internal routes of web endpoints. Defaults to the path of --web.external-url.").Default("").StringVar(&c.routePrefix)
	serve.Flag("web.enable-lifecycle", "Enable shutdown and reload via HTTP request.").Default("false").BoolVar(&c.enableLifecycle)
	serve.Flag("web.enable-admin-api", "Enable API endpoints for admin control actions.").Default("false").BoolVar(&c.enableAdmin)
	serve.Flag("web.enable-pprof", "Serve profiles under /debug/pprof/.").Default("false").BoolVar(&c.enablePprof)
	serve.Flag("web.enable-openmetrics", "Serve OpenMetrics to scrapers that ask for it. This renames counters that lack the suffix _total.").Default("false").BoolVar(&c.enableOpenMetrics)
	serve.Flag("web.cors.origin", "Anchored regular expression for the origins of other web pages that may query, push and delete from a browser, like https?://(a|b)\\.example\\.org. If empty, only the gateway's own page may.").Default("").StringVar(&c.corsOrigin)
	serve.Flag("web.allowed-hosts", "Comma-separated host names and addresses under which browsers may use the gateway. It refuses all others, which stops DNS rebinding. If empty, it accepts any.").Default("").StringVar(&c.allowedHosts)
	serve.Flag("web.read-timeout", "Maximum duration for a whole request to arrive. 0 means no limit.").Default("1m").DurationVar(&c.readTimeout)
	serve.Flag("web.trusted-proxies", "Comma-separated proxies and networks whose X-Forwarded-For header the gateway believes, like 10.0.0.0/8,192.0.2.7. unix stands for unix sockets. Any other proxy counts as one client.").Default("").SetValue((*proxiesValue)(&c.proxies))

	serve.Flag("persistence.file", "File to persist metrics. If empty, metrics are only kept in memory. The gateway imports a file written by Pushgateway 1.11, leaves it unchanged, and uses <file>.db from then on.").Default("").Envar(fileVariable).StringVar(&c.persistenceFile)
	serve.Flag("persistence.interval", "The minimum interval at which to write out the persistence file. With 0, the gateway answers a push once it is on disk. With more, it answers earlier, and a crash loses the pushes of up to one interval.").Default("0s").DurationVar(&c.persistenceInterval)
	serve.Flag("persistence.salvage", "If the persistence file is damaged, start from the groups that are intact. The gateway keeps the damaged file and logs what was lost.").Default("false").BoolVar(&c.persistenceSalvage)

	c.cluster.addFlags(serve)

	serve.Flag("push.disable-consistency-check", "Accept pushes that contradict other groups. The gateway answers them with 202, and exposes the older of two metrics that contradict each other.").Default("false").BoolVar(&c.unchecked)
	serve.Flag("push.enable-utf8-names", "Allow UTF-8 names of metrics and labels in the text format, and of labels in grouping keys, where the gateway then decodes U__ escapes. Protobuf may always have UTF-8 names.").Default("false").BoolVar(&c.utf8Names)
	bytesFlag(serve, &c.maxBodyBytes, "push.max-body-bytes", "Maximum size of a push, both compressed and uncompressed, like 64MiB or 1000000. The gateway answers larger pushes with 413.", "64MiB")
	bytesFlag(serve, &c.maxInflightBytes, "push.max-inflight-bytes", "Maximum memory for all pushes in progress together: their bodies and what the gateway makes of them. A push that finds too little left gets 429. A push that needs more on its own gets 413.", "512MiB")

	ttlFlag(serve, &c.ttl.Default, "push.ttl", "Time to live of a group without further pushes, like 24h or 7d. A push can set its own with X-Pushgateway-TTL or ?ttl=. 0 means forever.")
	ttlFlag(serve, &c.ttl.Max, "push.max-ttl", "Maximum time to live that a push may set. It is also the default if neither the push nor --push.ttl sets one. 0 means no limit.")
	serve.Flag("push.timestamps", "What to do with timestamps in pushes: reject the push, or strip the timestamps.").Default("reject").StringVar(&c.timestamps)
	serve.Flag("push.lenient-newlines", "Accept text with CRLF line endings, or without a newline at the end.").Default("false").BoolVar(&c.lenientNewlines)
	serve.Flag("push.reserved-names", "Refuse pushes of metrics whose whole name matches this regular expression, like up|scrape_.*|ALERTS.*. With honor_labels, such metrics can pass for series that Prometheus itself makes. If empty, no name is refused.").Default("").SetValue(&c.reservedNames)

	serve.Flag("push.aggregate", "Make all pushes add up, on the paths of an aggregating gateway, and answer them with 202: zapier for prom-aggregation-gateway, gravel for Gravel Gateway.").Default("").StringVar(&c.aggregate)
	serve.Flag("push.aggregate-job", "With --push.aggregate, the job of pushes whose path names none.").Default("aggregate").StringVar(&c.aggregateJob)
	c.otlp.addFlags(serve)

	serve.Flag("jobs.history", "How many of the last runs of each group to keep, 0 to 1000: when they ended, how, and how long they took. 0 keeps none.").Default("50").IntVar(&c.history)

	c.watchFlags(serve, "push.ttl")
	c.log = &promslog.Config{Level: promslog.NewLevel(), Format: promslog.NewFormat()}
	serve.Flag(promslogflag.LevelFlagName, promslogflag.LevelFlagHelp).Default("info").SetValue(c.log.Level)
	serve.Flag(promslogflag.FormatFlagName, promslogflag.FormatFlagHelp).Default("logfmt").SetValue(c.log.Format)
	serve.Flag("log.access", "Log a line for each request, at level info: method, path, status, bytes, duration, client.").Default("false").BoolVar(&c.logAccess)
	serve.Flag("log.slow", "Log requests that take longer than this, at level warn and at a limited rate, with what they waited for. 0 logs none.").Default("0s").DurationVar(&c.logSlow)
}

// ttlFlag adds a flag for a time to live.
func ttlFlag(serve *kingpin.CmdClause, to *time.Duration, name, help string) {
	serve.Flag(name, help).Default("0").SetValue((*ttlValue)(to))
}

// ttlValue is the kingpin value of a time to live.
type ttlValue time.Duration

// Set implements kingpin.Value.
func (v *ttlValue) Set(s string) (err error) {
	*(*time.Duration)(v), err = intake.ParseTTL(s)
	return err
}

// String implements kingpin.Value.
func (v *ttlValue) String() string { return model.Duration(*v).String() }

// bytesFlag adds a flag for a size.
func bytesFlag(serve *kingpin.CmdClause, to *units.Base2Bytes, name, help, value string) {
	serve.Flag(name, help).Default(value).SetValue((*bytesValue)(to))
}

// bytesValue is the kingpin value of a size: a number with a unit, or a number
// of bytes.
type bytesValue units.Base2Bytes

// Set implements kingpin.Value.
func (v *bytesValue) Set(s string) error {
	return (*config.Bytes)(v).UnmarshalText([]byte(s))
}

// String implements kingpin.Value.
func (v *bytesValue) String() string { return units.Base2Bytes(*v).String() }

// namesValue is the kingpin value of a regular expression for names. It is
// anchored, as in Prometheus.
type namesValue struct {
	matcher *labels.FastRegexMatcher // nil if the expression is empty; it then matches nothing
}

// Set implements kingpin.Value.
func (v *namesValue) Set(s string) (err error) {
	if v.matcher = nil; s == "" {
		return nil
	}
	if v.matcher, err = labels.NewFastRegexMatcher(s); err != nil {
		return fmt.Errorf("it is not a regular expression: %w; write it like up|scrape_.*|ALERTS.*", err)
	}
	return nil
}

// String implements kingpin.Value.
func (v *namesValue) String() string {
	if v.matcher == nil {
		return ""
	}
	return v.matcher.GetRegexString()
}

// proxiesValue is the kingpin value of a list of networks.
type proxiesValue guard.Proxies

// Set implements kingpin.Value.
func (v *proxiesValue) Set(s string) (err error) {
	*(*guard.Proxies)(v), err = guard.ParseProxies(s)
	return err
}

// String implements kingpin.Value.
func (v *proxiesValue) String() string {
	var all []string
	for _, network := range *v {
		all = append(all, network.String())
	}
	return strings.Join(all, ",")
}

// validate returns an error for settings that cannot work. It changes nothing.
func (c *settings) validate() error {
	return checkAll(c.checkPersistence, c.checkAddresses, c.checkWebConfig, c.checkOrigins, c.checkPaths, c.checkPushes, c.checkHistory, c.checkLog)
}

// resolve derives settings from others: paths in their final form, and whom to
// trust. The settings must be valid.
func (c *settings) resolve() {
	c.routePrefix = c.prefix()
	c.telemetryPath = path.Clean(c.telemetryPath) // requests for any other form redirect to this one
	c.origins, _ = c.trusted()                    // validate has already reported the error
}

func (c *settings) checkPersistence() error {
	if c.persistenceInterval < 0 {
		return fmt.Errorf("--persistence.interval=%s: it must not be negative; 0 writes at once", c.persistenceInterval)
	}
	if c.persistenceSalvage && c.persistenceFile == "" {
		return errors.New("--persistence.salvage: it needs a file to salvage; set --persistence.file")
	}
	return nil
}

// aggregations are the aggregating gateways whose paths --push.aggregate serves,
// and what becomes of gauges there.
var aggregations = map[string]string{"zapier": "sum", "gravel": "clearmode"}

func (c *settings) checkPushes() error {
	if least := units.Base2Bytes(config.LeastBodyBytes); c.maxBodyBytes < least {
		return fmt.Errorf("--push.max-body-bytes=%s: it must be at least %s; write it like 64MiB", c.maxBodyBytes, least)
	}
	if c.configFile == "" && c.maxInflightBytes < c.maxBodyBytes {
		return fmt.Errorf("--push.max-inflight-bytes=%s: it must not be less than --push.max-body-bytes=%s, or the gateway would never take the largest pushes", c.maxInflightBytes, c.maxBodyBytes)
	}
	if err := c.otlp.check(c.utf8Names); err != nil {
		return err
	}
	if c.aggregate != "" && aggregations[c.aggregate] == "" {
		return fmt.Errorf("--push.aggregate=%q: it must be zapier, gravel, or empty", c.aggregate)
	}
	if c.aggregateJob == "" || !utf8.ValidString(c.aggregateJob) {
		return fmt.Errorf("--push.aggregate-job=%q: it must be a text that is not empty; leave it out for aggregate", c.aggregateJob)
	}
	if err := oneOf("push.timestamps", c.timestamps, "reject", "strip"); err != nil {
		return err
	}
	if err := c.ttl.Check(); err != nil {
		return err
	}
	if c.readTimeout < 0 {
		return fmt.Errorf("--web.read-timeout=%s: it must not be negative; 0 means no limit", c.readTimeout)
	}
	return nil
}

// maxHistory is how many runs of a group can be kept. More than a person looks at
// would only cost.
const maxHistory = 1000

func (c *settings) checkHistory() error {
	if c.history < 0 || c.history > maxHistory {
		return fmt.Errorf("--jobs.history=%d: it must be from 0 to %d; 0 keeps no runs", c.history, maxHistory)
	}
	return nil
}

// checkLog returns an error for lines that the level of the log would hide.
func (c *settings) checkLog() error {
	level := c.log.Level.String()
	switch {
	case c.logSlow < 0:
		return fmt.Errorf("--log.slow=%s: it must not be negative; 0 logs no slow requests", c.logSlow)
	case c.logAccess && level != "info" && level != "debug":
		return fmt.Errorf("--log.access: --log.level=%s hides its lines; set --log.level=info", level)
	case c.logSlow > 0 && level == "error":
		return fmt.Errorf("--log.slow: --log.level=%s hides its lines; set --log.level=warn", level)
	}
	return nil
}

func (c *settings) checkPaths() error {
	if strings.ContainsAny(c.prefix(), ":*") {
		return fmt.Errorf("--web.route-prefix=%q: it must not contain ':' or '*'", c.prefix())
	}
	if err := checkTelemetryPath(c.telemetryPath); err != nil {
		return fmt.Errorf("--web.telemetry-path=%q: %w", c.telemetryPath, err)
	}
	return nil
}

// prefix returns what precedes all paths, in its final form: "" or like "/gw".
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

// checkWebConfig reads the file for TLS and passwords, if one is set.
func (c *settings) checkWebConfig() error {
	file := *c.web.WebConfigFile
	var err error
	info, missing := os.Stat(file)
	switch {
	case file == "":
		return nil
	case errors.Is(missing, fs.ErrNotExist):
		err = errors.New("the file does not exist; create it, or leave out the flag to serve without TLS and passwords")
	case missing == nil && info.Mode().Type()&(fs.ModeNamedPipe|fs.ModeSocket) != 0:
		err = errors.New("it is a pipe or a socket, and must be read again and again; name a file")
	default:
		err = web.Validate(file)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("--web.config.file=%q: %w", file, err)
}

func (c *settings) checkOrigins() error {
	_, err := c.trusted()
	return err
}

// trusted returns which pages in browsers may use the gateway, and under which
// hosts: the gateway's own page, also under the external URL, and those that
// flags name.
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

// hostsOf parses a list of host names and addresses.
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

// taken lists the paths that the telemetry path would shadow.
var taken = []string{"/", "/status", "/-/healthy", "/-/ready", "/-/metrics", "/-/quit", "/-/reload"}

func checkTelemetryPath(given string) error {
	if !strings.HasPrefix(given, "/") || strings.ContainsAny(given, ":*") || strings.HasSuffix(given, "/") {
		return errors.New("it must be a path like /metrics, without ':' or '*', and without a slash at the end")
	}
	clean := path.Clean(given)
	for _, prefix := range []string{"/api/", "/static/", "/debug/", "/metrics/job/"} {
		if strings.HasPrefix(clean, prefix) {
			return fmt.Errorf("it must not be under %s, which the gateway uses; choose a path like /metrics", prefix)
		}
	}
	if slices.Contains(taken, clean) {
		return errors.New("the gateway uses this path itself; choose another one, like /metrics")
	}
	return nil
}

// flagValues returns all flags of the command with their values.
func flagValues(serve *kingpin.CmdClause) map[string]string {
	values := make(map[string]string)
	for _, f := range serve.Model().Flags {
		values[f.Name] = f.Value.String()
	}
	return values
}

// buildInfo is the build information in /api/v1/status.
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
