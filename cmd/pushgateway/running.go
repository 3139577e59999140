package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"go.yaml.in/yaml/v2"
)

// process is the directory in which Linux shows processes.
const process = "/proc"

// findRunning returns the URL of the gateway that runs on this machine or in
// this container, taken from its command line. It returns "" if there is none.
func findRunning() (string, error) {
	dirs, err := filepath.Glob(process + "/[0-9]*")
	if err != nil {
		return "", err
	}
	var urls []string
	for _, dir := range dirs {
		c := serving(dir)
		if c == nil {
			continue
		}
		url, err := c.reachable(dir)
		if err != nil {
			return "", err
		}
		urls = append(urls, url)
	}
	switch len(urls) {
	case 0:
		return "", nil
	case 1:
		return urls[0], nil
	}
	return "", fmt.Errorf("%d gateways run here; choose one with --url, like --url=%s", len(urls), urls[0])
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

// reachable returns a URL at which this machine can reach the gateway of a
// process with this command line.
func (c *settings) reachable(dir string) (string, error) {
	scheme := "http"
	if file := *c.web.WebConfigFile; file != "" {
		tls, err := turnsTLSOn(filepath.Join(dir, "cwd"), file)
		if err != nil {
			return "", err
		}
		if tls {
			scheme = "https"
		}
	}
	for _, address := range *c.web.WebListenAddresses {
		host, port, err := net.SplitHostPort(address)
		if n, _ := strconv.Atoi(port); err != nil || *c.web.WebSystemdSocket || n == 0 {
			continue
		}
		if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
			host = "localhost"
		}
		return scheme + "://" + net.JoinHostPort(host, port) + path.Clean("/"+c.prefix()), nil
	}
	return "", errors.New("a gateway runs here, but its flags do not say its port; give --url")
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
