package access

import (
	"fmt"
	"slices"
	"strings"
)

// Permission is something that a principal may do.
type Permission uint8

// The permissions. The zero value is none of them.
const (
	_         Permission = iota
	Push                 // push to groups
	Delete               // delete groups
	Scrape               // read all metrics, as Prometheus does
	Query                // read the JSON API
	UI                   // open the page
	Admin                // delete, wipe and copy many groups
	Lifecycle            // end the process, and reload its configuration
	Debug                // profile the process
	Health               // check whether the process serves
)

// permissions are the names of all permissions in the configuration, and what
// one who has them may do, in words.
var permissions = []struct{ name, may string }{
	Push:      {"push", "push"},
	Delete:    {"delete", "delete groups"},
	Scrape:    {"scrape", "scrape"},
	Query:     {"query", "query the API"},
	UI:        {"ui", "open the page"},
	Admin:     {"admin", "use the admin API"},
	Lifecycle: {"lifecycle", "end or reload the process"},
	Debug:     {"debug", "profile the process"},
	Health:    {"health", "check whether the gateway serves"},
}

// Permissions returns all permissions.
func Permissions() []Permission {
	all := make([]Permission, 0, len(permissions)-1)
	for p := Push; int(p) < len(permissions); p++ {
		all = append(all, p)
	}
	return all
}

// String returns the name of the permission in the configuration.
func (p Permission) String() string {
	if p == 0 || int(p) >= len(permissions) {
		return fmt.Sprintf("permission %d", uint8(p))
	}
	return permissions[p].name
}

// ParsePermission returns the permission with a name.
func ParsePermission(name string) (Permission, error) {
	for _, p := range Permissions() {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("there is no permission %q; use %s", name, list(AllRights.Names(), "and"))
}

// Rights is a set of permissions. The zero value is empty.
type Rights uint16

// AllRights has all permissions.
var AllRights = RightsTo(Permissions()...)

// RightsTo returns a set of permissions.
func RightsTo(all ...Permission) (r Rights) {
	for _, p := range all {
		r |= 1 << p
	}
	return r
}

// Has reports whether the set has a permission.
func (r Rights) Has(p Permission) bool { return r&(1<<p) != 0 }

// Names returns the names of the permissions in the set.
func (r Rights) Names() []string {
	names := []string{}
	for _, p := range Permissions() {
		if r.Has(p) {
			names = append(names, p.String())
		}
	}
	return names
}

// list joins words: a, b and c.
func list(words []string, joint string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(slices.Clone(words[:last]), ", ") + " " + joint + " " + words[last]
}
