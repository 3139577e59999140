package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strings"
)

// Cluster says with whom the gateway shares its groups. Zero fields are not set.
type Cluster struct {
	URLs            []ServerURL `yaml:"url,required"`
	Stream          StreamName  `yaml:"stream"`
	Replicas        int         `yaml:"replicas"`
	MaxBytes        Bytes       `yaml:"max_bytes"`
	CredentialsFile string      `yaml:"credentials_file"`
	SystemFile      string      `yaml:"system_credentials_file"`
	TLS             ClusterTLS  `yaml:"tls"`
	Advertise       HostPort    `yaml:"advertise_address"`
	AllowOld        bool        `yaml:"allow_old_servers"`
}

// ClusterTLS says how the gateway and the servers of a cluster know each other.
type ClusterTLS struct {
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
	Insecure   bool   `yaml:"insecure_skip_verify"`
}

// ServerURL is the URL of a NATS server.
type ServerURL string

// UnmarshalText implements encoding.TextUnmarshaler. The error does not show the
// URL, which may have a password.
func (s *ServerURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss" {
		return errors.New("it must be a URL like nats://nats-1:4222 or tls://nats-1:4222")
	}
	*s = ServerURL(text)
	return nil
}

// StreamName is the name of a stream.
type StreamName string

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *StreamName) UnmarshalText(text []byte) error {
	if len(text) == 0 || strings.ContainsAny(string(text), " .*>/\\\t\r\n") {
		return errors.New("it must be a name without blanks, dots, slashes, '*' and '>', like PUSHGATEWAY")
	}
	*n = StreamName(text)
	return nil
}

// HostPort is a host and a port.
type HostPort string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *HostPort) UnmarshalText(text []byte) error {
	if _, _, err := net.SplitHostPort(string(text)); err != nil {
		return errors.New("it must be a host and a port, like gateway-1:9091")
	}
	*h = HostPort(text)
	return nil
}

// CheckReplicas returns an error for a number of replicas that no stream has.
func CheckReplicas(n int) error {
	if n < 1 || n > 5 || n%2 == 0 {
		return errors.New("it must be 1, 3 or 5")
	}
	return nil
}

// checkCluster also reads the files that the section names, and makes their
// paths independent of the place of the configuration file.
func (d *decoder) checkCluster(c *Cluster) {
	if len(c.URLs) == 0 && d.config.Says("cluster.url") {
		d.mistake("cluster.url", "it is empty; list the NATS servers, like [nats://nats-1:4222]")
	}
	if d.config.Says("cluster.replicas") && c.Replicas > 0 {
		if err := CheckReplicas(c.Replicas); err != nil {
			d.mistake("cluster.replicas", "%s", err)
		}
	}
	if name := c.TLS.ServerName; name == "" && d.config.Says("cluster.tls.server_name") {
		d.mistake("cluster.tls.server_name", "it is empty; set it, or remove the key")
	}
	d.content("cluster.credentials_file", &c.CredentialsFile)
	d.content("cluster.system_credentials_file", &c.SystemFile)
	if ca := d.content("cluster.tls.ca_file", &c.TLS.CAFile); ca != nil && !x509.NewCertPool().AppendCertsFromPEM(ca) {
		d.mistake("cluster.tls.ca_file", "the file %s has no certificate; write PEM into it", c.TLS.CAFile)
	}
	d.checkPair(&c.TLS)
}

// checkPair checks the certificate of the gateway.
func (d *decoder) checkPair(c *ClusterTLS) {
	cert, key := d.content("cluster.tls.cert_file", &c.CertFile), d.content("cluster.tls.key_file", &c.KeyFile)
	switch {
	case c.CertFile != "" && c.KeyFile == "":
		d.mistake("cluster.tls.cert_file", "it needs key_file; add it")
	case c.KeyFile != "" && c.CertFile == "":
		d.mistake("cluster.tls.key_file", "it needs cert_file; add it")
	case cert != nil && key != nil:
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			d.mistake("cluster.tls.cert_file", "it and key_file do not fit: %s; write the certificate and its key into them", err)
		}
	}
}

// content returns what a file of the cluster holds, or nil after a mistake, or
// if none is set. It makes a relative path one from the directory of the
// configuration file.
func (d *decoder) content(key string, file *string) []byte {
	if *file == "" {
		if d.config.Says(key) {
			d.mistake(key, "it is empty; set it, or remove the key")
		}
		return nil
	}
	if !filepath.IsAbs(*file) {
		*file = filepath.Join(filepath.Dir(d.config.file), *file)
	}
	content, err := readFile(*file)
	if err != nil {
		d.mistake(key, "reading the file: %s; create it, and let the user of the gateway read it", err)
		return nil
	}
	return content
}
