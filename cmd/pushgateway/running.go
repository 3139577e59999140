package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"go.yaml.in/yaml/v2"
)

// process is the directory in which Linux shows processes.
const process = "/proc"

// running holds the URLs of a gateway that runs on this machine or in this
// container.
type running struct {
	main      string // of pushes and the API
	telemetry string // of scrapes and health
}

// findRunning finds the gateway that runs here by its command line. It returns
// nil if there is none.
func findRunning() (*running, error) {
	dirs, err := filepath.Glob(process + "/[0-9]*")
	if err != nil {
		return nil, err
	}
	var all []*running
	for _, dir := range dirs {
		c := serving(dir)
		if c == nil {
			continue
		}
		r, err := c.reachable(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	return nil, fmt.Errorf("%d gateways run here; choose one with --url, like --url=%s", len(all), all[0].telemetry)
}

// serving parses the command line of a process. It returns nil if the process
// is not a gateway that serves.
func serving(dir string) *settings {
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return nil // it has ended
	}
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	if !isGateway(dir, args[0]) {
		return nil
	}
	c := new(settings)
	app := kingpin.New(args[0], "").Terminate(nil).UsageWriter(io.Discard).ErrorWriter(io.Discard)
	c.addFlags(app.Command("serve", "").Default())
	if _, err := app.Parse(args[1:]); err != nil {
		return nil // another command
	}
	return c
}

// isGateway reports whether a process runs this program. It goes by the name
// for processes of other users, whose binary it cannot see.
func isGateway(dir, name string) bool {
	its, err := os.Stat(filepath.Join(dir, "exe"))
	if err != nil {
		return filepath.Base(name) == "pushgateway"
	}
	own, err := os.Stat(process + "/self/exe")
	return err == nil && os.SameFile(own, its)
}

// reachable returns the URLs at which this machine can reach the gateway of a
// process with this command line.
func (c *settings) reachable(dir string) (*running, error) {
	tls := false
	if file := *c.web.WebConfigFile; file != "" {
		var err error
		if tls, err = turnsTLSOn(filepath.Join(dir, "cwd"), file); err != nil {
			return nil, err
		}
	}
	r := new(running)
	if !*c.web.WebSystemdSocket {
		r.main = c.firstURL(*c.web.WebListenAddresses, tls)
	}
	r.telemetry = r.main
	if len(c.telemetryAddresses) > 0 {
		r.telemetry = c.firstURL(c.telemetryAddresses, tls)
	}
	if r.telemetry == "" {
		return nil, errors.New("a gateway runs here, but its flags do not say its port; give --url")
	}
	return r, nil
}

// firstURL returns the URL of the first address that can be told from its flag,
// or "".
func (c *settings) firstURL(addresses []string, tls bool) string {
	prefix := path.Clean("/" + c.prefix())
	for _, address := range addresses {
		a, err := parseAddress(address)
		switch {
		case err != nil || a.AnyPort() || a.Network == "vsock":
			continue
		case a.Network == "unix":
			return a.URL(tls, strings.TrimSuffix(prefix, "/"))
		}
		return a.URL(tls, prefix)
	}
	return ""
}

// turnsTLSOn reports whether a file for --web.config.file enables TLS. A
// relative path is relative to dir.
func turnsTLSOn(dir, file string) (bool, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return false, fmt.Errorf("checking whether the gateway uses TLS: %w; run this as the user of the gateway, or give --url", err)
	}
	var config struct {
		TLS map[string]any `yaml:"tls_server_config"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&config); err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("checking whether the gateway uses TLS: %s: %w", file, err)
	}
	return len(config.TLS) > 0, nil
}
