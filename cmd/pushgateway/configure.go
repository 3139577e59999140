package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
	"pushgateway/internal/live"
	"pushgateway/internal/login"
)

// covered are the flags that keys of the configuration file can replace.
var covered = []struct{ flag, key string }{
	{"push.max-body-bytes", keyBody},
	{"push.max-inflight-bytes", keyInflight},
	{"cluster.url", "cluster.url"},
	{"cluster.stream", "cluster.stream"},
	{"cluster.replicas", "cluster.replicas"},
	{"cluster.max-bytes", "cluster.max_bytes"},
	{"cluster.credentials-file", "cluster.credentials_file"},
	{"cluster.system-credentials-file", "cluster.system_credentials_file"},
	{"cluster.tls-ca-file", "cluster.tls.ca_file"},
	{"cluster.tls-cert-file", "cluster.tls.cert_file"},
	{"cluster.tls-key-file", "cluster.tls.key_file"},
	{"cluster.tls-server-name", "cluster.tls.server_name"},
	{"cluster.tls-insecure-skip-verify", "cluster.tls.insecure_skip_verify"},
	{"cluster.advertise-address", "cluster.advertise_address"},
	{"cluster.allow-old-servers", "cluster.allow_old_servers"},
}

const (
	keyBody     = "limits.max_body_bytes"
	keyInflight = "limits.max_inflight_bytes"
)

// watchFlags notes in given which flags the command line sets, also those that
// are set by a variable of the environment: the covered ones, and those named.
func (c *settings) watchFlags(serve *kingpin.CmdClause, names ...string) {
	c.given = make(map[string]*bool)
	for _, both := range covered {
		names = append(names, both.flag)
	}
	for _, name := range names {
		c.given[name] = new(bool)
		serve.GetFlag(name).IsSetByUser(c.given[name])
	}
}

// limits returns the limits that flags set.
func (c *settings) limits() guard.Limits {
	return guard.Limits{Body: guard.BodyLimits{Bytes: int64(c.maxBodyBytes), Inflight: int64(c.maxInflightBytes)}}
}

// openSettings reads the configuration file, if there is one.
func (c *settings) openSettings() (err error) {
	c.hashes = login.NewHashes()
	if c.configFile == "" {
		c.current = live.Fixed(live.New(new(config.Config), c.limits()))
		return nil
	}
	c.current, err = live.Open(func() (*live.Settings, error) {
		file, err := config.Load(c.configFile)
		if err != nil {
			return nil, err
		}
		if err := c.agree(file); err != nil {
			return nil, err
		}
		now := live.New(file, c.limits())
		now.Users = login.NewUsers(file.Access, c.hashes, c.proxies)
		return now, nil
	})
	return err
}

// agree returns an error if the file and the flags contradict each other, or
// both say the same.
func (c *settings) agree(file *config.Config) error {
	var mistakes config.Errors
	add := func(key, format string, args ...any) {
		mistakes = append(mistakes, file.Mistake(key, format, args...))
	}
	for _, both := range covered {
		if *c.given[both.flag] && file.Says(both.key) {
			add(both.key, "the flag --%s sets it too; remove one of them", both.flag)
		}
	}
	body := file.Limits.Over(c.limits()).Body
	switch {
	case body.Inflight < body.Bytes && file.Says(keyInflight):
		add(keyInflight, "it must not be less than the largest push, which may have %s (%s, or --push.max-body-bytes); raise it", units.Base2Bytes(body.Bytes), keyBody)
	case body.Inflight < body.Bytes:
		add(keyBody, "it must not be more than --push.max-inflight-bytes=%s; raise that too", c.maxInflightBytes)
	}
	if file.Cluster != nil && c.ownFile() {
		add("cluster", "the groups are kept in the cluster or in a file, not in both; remove this, or leave out --persistence.file")
	}
	for i := range file.Rules {
		c.agreeWith(&file.Rules[i], add)
	}
	if len(mistakes) == 0 {
		return nil
	}
	return mistakes
}

// agreeWith compares the time to live of a rule with the flags.
func (c *settings) agreeWith(r *config.Rule, add func(key, format string, args ...any)) {
	ttl, ok := r.TimeToLive()
	switch {
	case !ok:
	case c.ttl.Max > 0 && ttl == 0:
		add(r.Where("ttl"), "0 means forever, which is longer than --push.max-ttl=%s; shorten it, or remove the flag", model.Duration(c.ttl.Max))
	case c.ttl.Max > 0 && ttl > c.ttl.Max:
		add(r.Where("ttl"), "%s is longer than --push.max-ttl=%s; shorten it, or raise the flag", model.Duration(ttl), model.Duration(c.ttl.Max))
	case *c.given["push.ttl"] && r.Match.All():
		add(r.Where("ttl"), "the rule is for all groups, and so is the flag --push.ttl; remove one of them")
	}
}

// reload reads the configuration file again, for a signal or a request. note
// says what waits for a restart.
func (s *service) reload() (note string, err error) {
	start := time.Now()
	before := s.current.Get()
	now, err := s.current.Reload()
	switch {
	case errors.Is(err, live.ErrFixed):
		s.logger.Warn("Did not reload the configuration", "err", err)
		return "", err
	case err != nil:
		s.logger.Error("Could not reload the configuration; the one from before stays in force", "file", s.configFile, "err", err)
		return "", err
	}
	s.logger.Info("Reloaded the configuration", "file", s.configFile, "took", time.Since(start))
	if before.Users != nil && now.Users == nil {
		s.logger.Warn("The configuration file no longer says who may do what, so everybody may do everything; restore its section access if that is a mistake", "file", s.configFile)
	}
	s.warnOfCertificates()
	if len(now.Waiting) == 0 {
		return "", nil
	}
	s.logger.Warn("Some settings hold only after a restart", "file", s.configFile, "keys", strings.Join(now.Waiting, ","))
	return fmt.Sprintf("These settings hold only after a restart: %s.", strings.Join(now.Waiting, ", ")), nil
}

// warnOfCertificates warns of a user whom nobody can be, since no certificate is
// verified.
func (s *service) warnOfCertificates() {
	user := s.current.Get().Users.NeedsCertificates()
	if user == "" || login.VerifiesCertificates(*s.web.WebConfigFile) {
		return
	}
	s.logger.Warn("Nobody can be this user, since --web.config.file has no client certificate verified; set its client_auth_type to VerifyClientCertIfGiven, with client_ca_file", "user", user, "file", s.configFile)
}

// reloadOnHangup reloads on each SIGHUP, until stop is called. From then on the
// signal does nothing: it must not end what stops in order.
func (s *service) reloadOnHangup() (stop func()) {
	hangups, stopped := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hangups:
				_, _ = s.reload() // it logs its error
			case <-stopped:
				return
			}
		}
	}()
	return func() { close(stopped) }
}
