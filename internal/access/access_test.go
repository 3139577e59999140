package access_test

import (
	"errors"
	"strings"
	"testing"

	"pushgateway/internal/access"
	"pushgateway/internal/config"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

func key(t *testing.T, job string, labels ...metric.Label) grouping.Key {
	t.Helper()
	k, err := grouping.NewKey(job, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func selecting(t *testing.T, text string) *config.Selector {
	t.Helper()
	s := new(config.Selector)
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheck(t *testing.T) {
	own := selecting(t, `{job=~"ci_.*",env!="production"}`)
	ci := &access.Principal{Name: "ci", May: access.RightsTo(config.Push, config.Query), Match: own}
	ops := &access.Principal{Name: "ops", May: access.RightsTo(config.Permissions...)}
	idle := &access.Principal{Name: "idle"}
	nobody := &access.Principal{Name: config.Anonymous, May: access.RightsTo(config.Scrape), Anybody: access.RightsTo(config.Scrape)}
	open := &access.Principal{Name: "ci", May: access.RightsTo(config.Push), Match: own, Anybody: access.RightsTo(config.Push, config.Delete)}
	for _, tt := range []struct {
		who  *access.Principal
		what config.Permission
		key  grouping.Key
		says string // "" if it may
	}{
		{nil, config.Admin, "", ""},
		{nil, config.Push, key(t, "other"), ""},
		{ops, config.Push, key(t, "other"), ""},
		{ops, config.Debug, "", ""},
		{ci, config.Push, "", ""},
		{ci, config.Push, key(t, "ci_a"), ""},
		{ci, config.Push, key(t, "ci_a", metric.Label{Name: "env", Value: ""}), ""},
		{ci, config.Push, key(t, "CI_a"), `the user "ci" may not push to the group {job="CI_a"}, since it may only push to groups that {job=~"ci_.*",env!="production"} selects; use a user who may, or change its match in --config.file`},
		{ci, config.Push, key(t, "ci_a", metric.Label{Name: "env", Value: "production"}), "may not push to the group"},
		{ci, config.Delete, key(t, "ci_a"), `the user "ci" may not delete groups: its permissions are push and query; use a user who may, or add delete to its list may in --config.file`},
		{ci, config.Query, key(t, "other"), ""}, // match is of pushes and deletes
		{idle, config.Health, "", "its permissions are none"},
		{nobody, config.Scrape, "", ""},
		{nobody, config.UI, "", "nobody is logged in, and only users with the permission ui may open the page; send the password or the token of one"},
		{open, config.Push, key(t, "other"), ""}, // as anybody may
		{open, config.Delete, key(t, "other"), ""},
		{open, config.Query, "", "its permissions are push and delete;"},
	} {
		err := access.Check(tt.who, tt.what, tt.key)
		var denied *access.Denied
		if (err == nil) != (tt.says == "") || err != nil && (!errors.As(err, &denied) || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%+v %s %s: got %v, want %q", tt.who, tt.what, tt.key, err, tt.says)
		}
	}
}

// TestPermissions holds that each permission can be given, and has its words.
func TestPermissions(t *testing.T) {
	for _, p := range config.Permissions {
		who := &access.Principal{Name: "a", May: access.RightsTo(p)}
		for _, other := range config.Permissions {
			err := access.Check(who, other, "")
			if (err == nil) != (p == other) {
				t.Errorf("%s with %s: got %v", other, p, err)
			}
			if err != nil && strings.Contains(err.Error(), "may not :") {
				t.Errorf("there are no words for %s: %s", other, err)
			}
		}
		if got := who.May.List(); len(got) != 1 || got[0] != p || who.May.String() != string(p) {
			t.Errorf("%s is listed as %v", p, got)
		}
	}
}

func TestRestricted(t *testing.T) {
	all := access.RightsTo(config.Permissions...)
	for _, tt := range []struct {
		who  *access.Principal
		want bool
	}{
		{nil, false},
		{&access.Principal{May: all}, false},
		{&access.Principal{May: access.RightsTo(config.Admin)}, true},
		{&access.Principal{May: all, Match: selecting(t, `{job="a"}`)}, true},
		{&access.Principal{Anybody: all, Match: selecting(t, `{job="a"}`)}, false},
	} {
		if got := tt.who.Restricted(); got != tt.want {
			t.Errorf("%+v: got %v", tt.who, got)
		}
	}
}
