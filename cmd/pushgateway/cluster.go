package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/version"

	checked "pushgateway/internal/config"
	"pushgateway/internal/storage"
)

// clusterSettings are the flags of a gateway that shares its groups with
// others.
type clusterSettings struct {
	urls        natsURLs
	stream      string
	replicas    int
	maxBytes    units.Base2Bytes
	credentials string
	system      string // credentials for the system account
	tls         config.TLSConfig
	address     string
	allowOld    bool
}

// addFlags adds the flags of a gateway in a cluster.
func (c *clusterSettings) addFlags(serve *kingpin.CmdClause) {
	serve.Flag("cluster.url", "URL of a NATS server with JetStream, like nats://nats-1:4222. Repeat the flag for each server. All gateways with the same servers and stream share their groups.").SetValue(&c.urls)
	c.addStream(serve, "Name of the stream that holds the groups. The gateway makes it if it does not exist.")
	c.addMaking(serve)
	c.addConnection(serve)
	serve.Flag("cluster.system-credentials-file", "File with credentials for the system account of the NATS servers. With them, the gateway checks sync_interval, the versions of all servers, and whether a replica has lost messages.").Default("").StringVar(&c.system)
	serve.Flag("cluster.advertise-address", "Host and port under which Prometheus reaches this gateway itself, and not a load balancer. The default is the name of the host with the port of --web.telemetry-listen-address or --web.listen-address.").Default("").StringVar(&c.address)
}

func (c *clusterSettings) addStream(serve *kingpin.CmdClause, help string) {
	serve.Flag("cluster.stream", help).Default(defaultStream).StringVar(&c.stream)
}

// defaultStream is the name of the stream if no flag sets one.
const defaultStream = "PUSHGATEWAY"

// addMaking adds the flags for a stream that does not exist yet.
func (c *clusterSettings) addMaking(serve *kingpin.CmdClause) {
	serve.Flag("cluster.replicas", "Number of NATS servers that hold the stream: 1, 3 or 5.").Default(defaultReplicas).IntVar(&c.replicas)
	bytesFlag(serve, &c.maxBytes, "cluster.max-bytes", "Maximum size of a new stream. A full stream refuses new groups. For a stream that exists, use `nats stream edit`.", "1GiB")
}

// defaultReplicas is the number of replicas if no flag sets one.
const defaultReplicas = "3"

// addConnection adds the flags for the connection to the servers.
func (c *clusterSettings) addConnection(serve *kingpin.CmdClause) {
	serve.Flag("cluster.credentials-file", "File with the credentials for the NATS servers.").Default("").StringVar(&c.credentials)
	serve.Flag("cluster.tls-ca-file", "File with the certificates of the authorities that sign those of the NATS servers. If empty, the gateway trusts those of the system.").Default("").StringVar(&c.tls.CAFile)
	serve.Flag("cluster.tls-cert-file", "File with the certificate that the gateway shows to the NATS servers.").Default("").StringVar(&c.tls.CertFile)
	serve.Flag("cluster.tls-key-file", "File with the key of that certificate.").Default("").StringVar(&c.tls.KeyFile)
	serve.Flag("cluster.tls-server-name", "Name that the certificates of the NATS servers must have, if it is not the host of the URL.").Default("").StringVar(&c.tls.ServerName)
	serve.Flag("cluster.tls-insecure-skip-verify", "Accept any certificate of the NATS servers.").Default("false").BoolVar(&c.tls.InsecureSkipVerify)
	serve.Flag("cluster.allow-old-servers", "Accept NATS servers older than 2.15.2, which leak memory or lose data.").Default("false").BoolVar(&c.allowOld)
}

func (c *clusterSettings) isSet() bool { return len(c.urls) > 0 }

// adopt takes what the configuration file says. It and the flags do not set the
// same.
func (c *clusterSettings) adopt(file *checked.Cluster) {
	if file == nil {
		return
	}
	for _, url := range file.URLs {
		c.urls = append(c.urls, string(url))
	}
	c.stream = cmp.Or(string(file.Stream), c.stream)
	c.replicas = cmp.Or(file.Replicas, c.replicas)
	c.maxBytes = cmp.Or(units.Base2Bytes(file.MaxBytes), c.maxBytes)
	c.credentials = cmp.Or(file.CredentialsFile, c.credentials)
	c.system = cmp.Or(file.SystemFile, c.system)
	c.address = cmp.Or(string(file.Advertise), c.address)
	c.allowOld = c.allowOld || file.AllowOld
	c.tls.CAFile = cmp.Or(file.TLS.CAFile, c.tls.CAFile)
	c.tls.CertFile = cmp.Or(file.TLS.CertFile, c.tls.CertFile)
	c.tls.KeyFile = cmp.Or(file.TLS.KeyFile, c.tls.KeyFile)
	c.tls.ServerName = cmp.Or(file.TLS.ServerName, c.tls.ServerName)
	c.tls.InsecureSkipVerify = c.tls.InsecureSkipVerify || file.TLS.Insecure
}

// checkCluster returns an error for settings that cannot work.
func (c *settings) checkCluster() error {
	k := &c.cluster
	if !k.isSet() {
		return k.checkUnset()
	}
	if c.ownFile() {
		return errors.New("--cluster.url, or cluster in the configuration file: the groups are kept in the cluster or in a file, not in both; leave out --persistence.file")
	}
	c.persistenceFile = "" // that of the packages' service, if any
	if c.persistenceInterval != 0 {
		return errors.New("--persistence.interval: it is for --persistence.file; leave it out with a cluster, where each push waits for the servers")
	}
	return k.check()
}

// ownFile reports whether this gateway was given a persistence file, other than that of
// the packages' service, which every gateway has.
func (c *settings) ownFile() bool {
	return c.persistenceFile != "" && c.persistenceFile != os.Getenv(fileVariable)
}

// check returns an error for settings of a cluster that cannot work.
func (c *clusterSettings) check() error {
	if err := checked.CheckReplicas(c.replicas); err != nil {
		return fmt.Errorf("--cluster.replicas=%d: %w", c.replicas, err)
	}
	if err := new(checked.StreamName).UnmarshalText([]byte(c.stream)); err != nil {
		return fmt.Errorf("--cluster.stream=%q: %w", c.stream, err)
	}
	if c.address != "" {
		if err := new(checked.HostPort).UnmarshalText([]byte(c.address)); err != nil {
			return fmt.Errorf("--cluster.advertise-address=%q: %w", c.address, err)
		}
	}
	for flag, file := range map[string]string{"credentials-file": c.credentials, "system-credentials-file": c.system} {
		if file == "" {
			continue
		}
		if _, err := os.ReadFile(file); err != nil {
			return fmt.Errorf("--cluster.%s=%q: %w; name the file that `nsc generate creds` writes", flag, file, err)
		}
	}
	_, err := c.tlsConfig()
	return err
}

// checkUnset returns an error if flags are set that need a cluster.
func (c *clusterSettings) checkUnset() error {
	for flag, set := range map[string]bool{
		"credentials-file": c.credentials != "", "system-credentials-file": c.system != "", "tls-ca-file": c.tls.CAFile != "", "tls-cert-file": c.tls.CertFile != "",
		"tls-key-file": c.tls.KeyFile != "", "tls-server-name": c.tls.ServerName != "", "advertise-address": c.address != "",
	} {
		if set {
			return fmt.Errorf("--cluster.%s: it needs the servers of a cluster; set --cluster.url, or cluster in the configuration file", flag)
		}
	}
	return nil
}

// tlsConfig returns the configuration of TLS, or nil if no flag sets one.
func (c *clusterSettings) tlsConfig() (*tls.Config, error) {
	if c.tls == (config.TLSConfig{}) {
		return nil, nil
	}
	err := c.tls.Validate()
	if err != nil {
		return nil, fmt.Errorf("--cluster.tls-ca-file, --cluster.tls-cert-file and --cluster.tls-key-file: %w", err)
	}
	made, err := config.NewTLSConfig(&c.tls)
	if err != nil {
		return nil, fmt.Errorf("--cluster.tls-ca-file, --cluster.tls-cert-file and --cluster.tls-key-file: %w", err)
	}
	return made, nil
}

// stored returns what the storage needs to know. The settings must be valid.
func (c *clusterSettings) stored(all *settings) *storage.Cluster {
	cluster := c.connection()
	cluster.System = c.system
	cluster.Address = c.advertised(slices.Concat(all.telemetryAddresses, *all.web.WebListenAddresses))
	return cluster
}

// connection returns the stream, without an address under which others see who
// uses it. The settings must be valid.
func (c *clusterSettings) connection() *storage.Cluster {
	tls, _ := c.tlsConfig() // check has already reported the error
	return &storage.Cluster{
		URLs: c.urls, Stream: c.stream, Replicas: c.replicas, MaxBytes: int64(c.maxBytes), Credentials: c.credentials,
		TLS: tls, Authorities: c.tls.CAFile, AllowOld: c.allowOld, Version: version.Version,
	}
}

// advertised returns where others reach this member.
func (c *clusterSettings) advertised(listening []string) string {
	if c.address != "" {
		return c.address
	}
	host, port := "", ""
	for _, address := range listening {
		if h, p, err := net.SplitHostPort(address); err == nil {
			host, port = h, p
			break
		}
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host, _ = os.Hostname() // without a name, the port alone identifies it
	}
	return net.JoinHostPort(host, port)
}

// natsURLs is the kingpin value of a repeatable flag.
type natsURLs []string

// Set implements kingpin.Value.
func (v *natsURLs) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		if err := new(checked.ServerURL).UnmarshalText([]byte(one)); err != nil {
			return err
		}
		*v = append(*v, one)
	}
	return nil
}

// String implements kingpin.Value. It hides passwords, since the page shows all
// flags.
func (v *natsURLs) String() string { return strings.Join(v.shown(), ",") }

// shown returns the URLs without their passwords.
func (v *natsURLs) shown() []string {
	shown := make([]string, 0, len(*v))
	for _, one := range *v {
		if u, err := url.Parse(one); err == nil {
			one = u.Redacted()
		}
		shown = append(shown, one)
	}
	return shown
}

// IsCumulative lets the flag be repeated.
func (v *natsURLs) IsCumulative() bool { return true }
