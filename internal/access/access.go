// Package access decides who may do what: one pure function of a principal, a
// permission and a grouping key. It knows neither requests nor secrets.
package access

import (
	"context"
	"fmt"

	"pushgateway/internal/grouping"
	"pushgateway/internal/selector"
)

// Anonymous is the name of the principal that nobody knows.
const Anonymous = "anonymous"

// Principal is who sends a request.
type Principal struct {
	// Name is the name of the user, or Anonymous.
	Name string
	// May is what the principal may do.
	May Rights
	// Anybody is what everybody may do, to all groups.
	Anybody Rights
	// Match selects the groups that the principal may push to and delete. The zero
	// value selects all.
	Match selector.Set
	// Selector is the text of Match, for people.
	Selector string
}

// Known reports whether the principal is a user of the configuration.
func (p *Principal) Known() bool { return p != nil && p.Name != Anonymous }

// Restricted reports whether there can be groups that the principal may not
// delete.
func (p *Principal) Restricted() bool {
	return p != nil && !p.Anybody.Has(Delete) && (!p.May.Has(Delete) || p.Selector != "")
}

// Denied is the error for something that a principal may not do.
type Denied struct {
	Who        *Principal
	Permission Permission
	Key        grouping.Key // "" if it is not about one group
}

// Check returns nil if a principal may do something to the group with a key, or
// a Denied. The key counts for Push and Delete only. With an empty key, Check
// says whether the principal may do it to any group at all. A nil principal may
// do everything: nobody has configured who may do what.
func Check(who *Principal, what Permission, key grouping.Key) error {
	switch {
	case who == nil || who.Anybody.Has(what):
		return nil
	case !who.May.Has(what):
		return &Denied{who, what, ""}
	case key == "" || what != Push && what != Delete:
		return nil
	case !who.Match.Matches(context.Background(), key):
		return &Denied{who, what, key}
	}
	return nil
}

// Error says who may not do what, why, and what to do.
func (d *Denied) Error() string {
	may := permissions[d.Permission].may
	switch {
	case !d.Who.Known():
		return fmt.Sprintf("nobody is logged in, and only users with the permission %s may %s; send the password or the token of one", d.Permission, may)
	case d.Key != "":
		return fmt.Sprintf("the user %q may not %s the group %s, since it may only %s groups that %s selects; use a user who may, or change its match in --config.file", d.Who.Name, verbs[d.Permission], d.Key.Excerpt(), verbs[d.Permission], d.Who.Selector)
	}
	return fmt.Sprintf("the user %q may not %s: its permissions are %s; use a user who may, or add %s to its list may in --config.file", d.Who.Name, may, d.Who.permissions(), d.Permission)
}

// verbs are what is done to one group.
var verbs = map[Permission]string{Push: "push to", Delete: "delete"}

func (p *Principal) permissions() string {
	names := (p.May | p.Anybody).Names()
	if len(names) == 0 {
		return "none"
	}
	return list(names, "and")
}
