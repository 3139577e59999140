package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

const hash = "$2y$04$TlYLMNVnqt7mUwSD7mKRoOsFgZ2cMjHjPsFgyhEZzqkDTvHcSHNQq"

// example has every section. write makes the files that it names, and puts a hash
// in the place of the one that is left out.
const example = `
limits:                        # each can be absent: then it is what it is today
  max_groups: 100000
  max_series: 5000000
  max_series_per_push: 50000
  max_families_per_push: 5000
  max_labels_per_series: 64
  max_label_name_length: 200
  max_label_value_length: 2048
  max_label_sets: 200          # sets of grouping label names
rules:                         # the first that matches the grouping key counts
  - match: '{job=~"ci_.*"}'
    ttl: 6h                    # what such groups get if they do not ask for less
    max_series_per_job: 20000
    max_groups_per_job: 500
    max_pushes_per_second: 50  # a job, with a burst of as many
  - match: '{job="legacy"}'
    on_conflict: replace       # takes names from groups that have not been pushed to for long_ago; see below
    long_ago: 7d
jobs:                          # the first that matches counts
  - match: '{job="dump"}'
    last_success: dump_finished_time
    expect: 24h
  - match: '{job=~"du.*"}'
    push_is_success: true
access:
  anonymous: [scrape, health]
  users:
    - name: prometheus
      password_file: /etc/pushgateway/prometheus.password
      may: [scrape, query]
    - name: ci
      token_file: /etc/pushgateway/secrets/ci.token         # Authorization: Bearer …
      may: [push, delete]
      match: '{job=~"ci_.*",env!="production"}'      # of the decoded grouping key
    - name: batch-7
      certificate: batch-7.example.org               # DNS name or CN of a verified client certificate
      may: [push]
      match: '{instance="batch-7"}'
    - name: ops
      password_hash: $2y$10$…                         # bcrypt
      addresses: [10.0.0.0/8, ::1]
      may: [push, delete, scrape, query, ui, admin, lifecycle, debug]
`

// write writes a file and the secrets that it names, and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	content = strings.NewReplacer("/etc/pushgateway", dir, "$2y$10$…", hash).Replace(content)
	for name, text := range map[string]string{"config.yml": content, "prometheus.password": "scrape me\n", "secrets/ci.token": "t0ken\n", "empty": "\n", "words": "two words\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "config.yml")
}

func key(t *testing.T, job string, labels ...metric.Label) grouping.Key {
	t.Helper()
	k, err := grouping.NewKey(job, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestExample(t *testing.T) {
	c, err := config.Load(write(t, example))
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.Groups != 100_000 || c.Limits.LabelSets != 200 || c.Limits.LabelValueLength != 2048 {
		t.Errorf("the limits are %+v", c.Limits)
	}
	ci := c.Rules.For(key(t, "ci_build"))
	if ttl, ok := ci.TimeToLive(); ttl != 6*time.Hour || !ok || ci.GroupsPerJob != 500 || ci.PushesPerSecond != 50 {
		t.Errorf("the rule of CI is %+v", ci)
	}
	if r := c.Rules.For(key(t, "legacy")); r == nil || r.OnConflict != config.Replace || time.Duration(r.LongAgo) != 7*24*time.Hour {
		t.Errorf("the rule of legacy is %+v", r)
	}
	if r := c.Rules.For(key(t, "other")); r != nil {
		t.Errorf("another job has the rule %+v", r)
	}
	if r := c.Jobs.For(key(t, "dump")); r == nil || r.LastSuccess != "dump_finished_time" || time.Duration(r.Expect) != 24*time.Hour || r.PushIsSuccess {
		t.Errorf("the rule of dump is %+v", r)
	}
	if r := c.Jobs.For(key(t, "duty")); r == nil || !r.PushIsSuccess || r.Names() {
		t.Errorf("the rule of duty is %+v", r)
	}
	users := c.Access.Users
	if users[0].Password != "scrape me" || users[1].Token != "t0ken" || users[3].PasswordHash != hash || len(users[3].Addresses) != 2 {
		t.Errorf("the users are %#v", users)
	}
	if !users[1].Match.Matches(key(t, "ci_a")) || users[1].Match.Matches(key(t, "ci_a", metric.Label{Name: "env", Value: "production"})) {
		t.Error("the selector of ci matches something else")
	}
}

// mistakes are files with one mistake, and what is said about it.
var mistakes = map[string]string{
	"limits: {}\n# \xff\n":                               "config.yml:2: it has bytes that are not text",
	"limits: {}\n# \x01\n":                               "config.yml:2: it has bytes that are not text",
	"limits:\n  max_seriess: 1\n":                        "config.yml:2:3: limits.max_seriess: the key is unknown; did you mean max_series?",
	"limit:\n  max_series: 1\n":                          "config.yml:1:1: limit: the key is unknown; did you mean limits?",
	"rules:\n  - match: '{a=\"b\"}'\n  - mach: x\n":      "config.yml:3:5: rules[1].mach: the key is unknown; did you mean match?",
	"tls_server_config: {}\n":                            "belongs in the file of --web.config.file",
	"jobs:\n  - exit_code: a\n":                          "config.yml:2:5: jobs[0]: it has no match; add it",
	"jobs:\n  - {match: '{}', exitcode: a}\n":            "jobs[0].exitcode: the key is unknown; did you mean exit_code?",
	"jobs: [{match: '{}', exit_code: ''}]\n":             "jobs[0].exit_code: it is empty; name a metric",
	"jobs: [{match: '{}', exit_code: 'a{b=\"c\"}'}]\n":   "jobs[0].exit_code: \"a{b=\\\"c\\\"}\" is not the name of a metric",
	"jobs: [{match: '{}', exit_code: a, success: a}]\n":  "jobs[0].success: exit_code names the same metric",
	"jobs: [{match: '{}', duration: a}]\n":               "jobs[0].duration: the metric does not tell how a run ended; add exit_code, success, last_success or last_start",
	"jobs: [{match: '{}', duration: a, ignore: true}]\n": "jobs[0].duration: it means nothing beside ignore: true",
	"jobs: [{match: '{}', expect: 1h, ignore: true}]\n":  "jobs[0].expect: it means nothing beside ignore: true",
	"jobs: [{match: '{}', push_is_success: yes}]\n":      "jobs[0].push_is_success: \"yes\" is neither true nor false",
	"jobs: [{match: '{}', expect: 0}]\n":                 "jobs[0].expect: it must not be 0; write it like 24h",
	"jobs: [{match: '{}', expect: 1 day}]\n":             "jobs[0].expect: \"1 day\" is not a duration",
	"jobs: [{match: '{}', ttl: 1h}]\n":                   "jobs[0].ttl: the key is unknown; it belongs in a rule",
	"rules: [{match: '{}', exit_code: a}]\n":             "rules[0].exit_code: the key is unknown; it belongs in a rule of jobs",
	"limits:\n  ttl: 6h\n":                               "limits.ttl: the key is unknown; it belongs in a rule",
	"rules:\n  - match: '{}'\n    max_series: 6\n":       "rules[0].max_series: the key is unknown; it belongs in limits",
	"users: []\n":                                                                    "users: the key is unknown; it belongs in access",
	"limits:\n  max_body_bytes: -5\n":                                                "limits.max_body_bytes: it is less than 1 byte",
	"limits:\n  max_body_bytes: 200\n":                                               "limits.max_body_bytes: it must be at least 1KiB",
	"limits:\n  max_inflight_bytes: 64\n":                                            "limits.max_inflight_bytes: it must be at least 1KiB",
	"limits:\n  max_body_bytes: 2MiB\n  max_inflight_bytes: 1MiB\n":                  "config.yml:3:3: limits.max_inflight_bytes: it must not be less than the largest push, which may have 2MiB (limits.max_body_bytes); raise it",
	"limits:\n  max_label_value_length: 16777216\n":                                  "is more than 16777215: Prometheus panics",
	"limits:\n  max_name_length: 5000000\n":                                          "Prometheus panics",
	"limits:\n  colour: 1\n":                                                         "limits.colour: the key is unknown; use max_groups, ",
	"access:\n  anonymous: [pusch]\n":                                                "config.yml:2:15: access.anonymous[0]: the permission \"pusch\" is unknown; did you mean push?",
	"limits:\n  max_series: 1\n  max_series: 2\n":                                    "config.yml:3:3: limits.max_series: the key is there twice, first in line 2",
	"limits:\n  max_series: many\n":                                                  "config.yml:2:15: limits.max_series: \"many\" is not a whole number",
	"limits:\n  max_series: \"5\"\n":                                                 "\"5\" is not a whole number",
	"limits:\n  max_series: 1.5\n":                                                   "\"1.5\" is not a whole number",
	"limits:\n  max_series: 99999999999999999999\n":                                  "99999999999999999999 is too large",
	"limits:\n  max_series: [1]\n":                                                   "it must be a whole number, not a list",
	"limits:\n  max_series: -1\n":                                                    "-1 is less than 1",
	"limits:\n  max_series: 0\n":                                                     "0 is less than 1",
	"limits:\n  max_series: null\n":                                                  "limits.max_series: it has no value",
	"limits:\n  max_series:\n":                                                       "limits.max_series: it has no value",
	"limits:\n  max_body_bytes: huge\n":                                              "limits.max_body_bytes: it is not a size",
	"limits: 5\n":                                                                    "limits: it must have keys with values, like max_groups: …, not a single value",
	"- limits\n":                                                                     "it must have keys with values, like limits: …, not a list",
	"rules:\n  match: '{a=\"b\"}'\n":                                                 "rules: it must be a list, not keys with values",
	"rules:\n  - ttl: 6h\n":                                                          "config.yml:2:5: rules[0]: it has no match; add it",
	"rules:\n  - \n":                                                                 "rules[0]: it has no value",
	"rules:\n  - match: ''\n":                                                        "rules[0].match: it is empty",
	"rules:\n  - match: '{job=}'\n":                                                  "rules[0].match: \"{job=}\" is not a selector",
	"rules:\n  - match: backup\n":                                                    "contains a metric name",
	"rules:\n  - match: '{job=~\"(\"}'\n":                                            "has a regexp",
	"rules:\n  - match: '{job=\"a\"}'\n    ttl: soon\n":                              "config.yml:3:10: rules[0].ttl: \"soon\" is not a duration",
	"rules:\n  - match: '{job=\"a\"}'\n    ttl: 101y\n":                              "is longer than 100 years",
	"rules:\n  - match: '{job=\"a\"}'\n    ttl: 300y\n":                              "\"300y\" is longer than 100 years",
	"rules:\n  - match: '{job=\"a\"}'\n    max_pushes_per_second: 0\n":               "is not a number above 0",
	"rules:\n  - match: '{job=\"a\"}'\n    on_conflict: overwrite\n":                 "\"overwrite\" is unknown; write refuse or replace",
	"rules:\n  - match: '{job=\"a\"}'\n    on_conflict: replace\n":                   "replace needs long_ago",
	"rules:\n  - match: '{job=\"a\"}'\n    long_ago: 7d\n":                           "means nothing without on_conflict: replace",
	"rules:\n  - match: '{job=\"a\"}'\n    on_conflict: replace\n    long_ago: 0s\n": "config.yml:4:5: rules[0].long_ago: it must not be 0",
	"access:\n":               "access: it has no value",
	"access:\n  anonymous:\n": "access.anonymous: it has no value",
	"access:\n  users:\n    - may: [push]\n      password_file: prometheus.password\n":                                                            "access.users[0]: it has no name",
	"access:\n  users:\n    - name: a\n      password_file: prometheus.password\n":                                                                "access.users[0]: it has no may",
	"access:\n  users:\n    - name: a\n      may: [push]\n":                                                                                       "nothing tells who the user is",
	"access:\n  users:\n    - name: ''\n      may: [push]\n      token_file: secrets/ci.token\n":                                                  "access.users[0].name: it is empty",
	"access:\n  users:\n    - {name: a, may: [push], password_file: absent}\n":                                                                    "absent: no such file or directory; create the file",
	"access:\n  users:\n    - {name: a, may: [push], password_file: .}\n":                                                                         "is a directory; name another file",
	"access:\n  users:\n    - {name: a, may: [push], token_file: empty}\n":                                                                        "is empty; write the secret into it",
	"access:\n  users:\n    - {name: a, may: [push], password_hash: secret}\n":                                                                    "config.yml:3:30: access.users[0].password_hash: it is not a hash of bcrypt",
	"access:\n  users:\n    - {name: a, may: [push], password_file: prometheus.password, password_hash: " + hash + "}\n":                          "also has a password_file",
	"access:\n  users:\n    - {name: a, may: [push], addresses: [10.0.0.0/33]}\n":                                                                 "access.users[0].addresses[0]: \"10.0.0.0/33\" is not a network",
	"access:\n  users:\n    - {name: a, may: [push], token_file: secrets/ci.token}\n    - {name: a, may: [push], certificate: x}\n":               "config.yml:4:8: access.users[1].name: access.users[0] has the same name",
	"access:\n  users:\n    - {name: a, may: [push], token_file: secrets/ci.token}\n    - {name: b, may: [push], token_file: secrets/ci.token}\n": "access.users[0] has the same token",
	"access:\n  users:\n    - {name: anonymous, may: [push], token_file: secrets/ci.token}\n":                                                     "config.yml:3:8: access.users[0].name: this is the name of clients that are not known",
	"access:\n  users:\n    - {name: 'a:b', may: [push], password_file: prometheus.password}\n":                                                   "a name with a colon cannot be sent with a password",
	"access:\n  users:\n    - {name: a, may: [push], token_file: words}\n":                                                                        "holds more than one word",
	"access:\n  users:\n    - {name: a, may: [push], password_hash: " + strings.Replace(hash, "$04$", "$20$", 1) + "}\n":                          "its cost is 20",
	"limits: {}\n---\nlimits: {}\n":                                "a second document begins here",
	"limits:\n\tmax_series: 1\n":                                   "indent with spaces, not with tabs",
	"limits: {max_series: 1\n":                                     "it is not YAML",
	"limits: &a\n  <<: *b\n":                                       "it is not YAML",
	"limits: !!map {max_series: !x 1}\n":                           "it has the tag",
	"a: &a {max_series: 1}\nlimits: {<<: *a}\n":                    "write out the keys",
	"access: {users: [{name: a, may: [push], addresses: [::]}]}\n": "it must be one value",
}

func TestMistakes(t *testing.T) {
	for content, says := range mistakes {
		_, err := config.Load(write(t, content))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q:\ngot  %v\nwant %s", content, err, says)
		}
	}
}

// TestMistakeIsToldOnce has values that cannot be read. What they would mean if they
// were missing is not told too.
func TestMistakeIsToldOnce(t *testing.T) {
	for _, content := range []string{"limits:\n  max_body_bytes: 1 MiB\n", "limits:\n  max_inflight_bytes: much\n", "jobs: [{match: '{}', expect: 1 day}]\n", "rules: [{match: '{}', on_conflict: replace, long_ago: long}]\n"} {
		_, err := config.Load(write(t, content))
		var all config.Errors
		if !errors.As(err, &all) || len(all) != 1 {
			t.Errorf("%q has one mistake, and %d are told:\n%v", content, len(all), err)
		}
	}
}

// TestNothing reads files that set nothing.
func TestNothing(t *testing.T) {
	for _, content := range []string{"", "\n", "# nothing\n", "---\n", "null\n", "{}\n", "limits:\nrules:\njobs:\n", "limits: {}\nrules: []\n"} {
		c, err := config.Load(write(t, content))
		if err != nil || c.Rules.For(key(t, "a")) != nil || c.Jobs.For(key(t, "a")) != nil || c.Access != nil || c.Limits != (config.Limits{}) {
			t.Errorf("%q: got %+v, %v", content, c, err)
		}
	}
}
