package access

import (
	"slices"
	"strings"

	"pushgateway/internal/config"
)

// phrases say in words what one who has a permission may do.
var phrases = map[config.Permission]string{
	config.Push:      "push",
	config.Delete:    "delete groups",
	config.Scrape:    "scrape",
	config.Query:     "query the API",
	config.UI:        "open the page",
	config.Admin:     "use the admin API",
	config.Lifecycle: "end or reload the process",
	config.Debug:     "profile the process",
	config.Health:    "check whether the gateway serves",
}

// Rights is a set of permissions. The zero value is empty.
type Rights uint16

// RightsTo returns a set of permissions.
func RightsTo(all ...config.Permission) (r Rights) {
	for _, p := range all {
		r |= bit(p)
	}
	return r
}

// bit returns the set of one permission. An unknown one is in no set.
func bit(p config.Permission) Rights {
	i := slices.Index(config.Permissions, p)
	if i < 0 {
		return 0
	}
	return 1 << i
}

// Has reports whether the set has a permission.
func (r Rights) Has(p config.Permission) bool { return r&bit(p) != 0 }

// List returns the permissions in the set.
func (r Rights) List() []config.Permission {
	return slices.DeleteFunc(slices.Clone(config.Permissions), func(p config.Permission) bool { return !r.Has(p) })
}

// String lists the permissions: push, delete and query.
func (r Rights) String() string {
	var names []string
	for _, p := range r.List() {
		names = append(names, string(p))
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
