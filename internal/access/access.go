// Package access decides who may do what: one pure function of a principal, a
// permission and a grouping key. It knows neither requests nor secrets.
package access

import (
	"cmp"
	"fmt"
	"slices"

	"pushgateway/internal/config"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Principal is who sends a request.
type Principal struct {
	// Name is the name of the user, or config.Anonymous.
	Name string
	// May is what the principal may do.
	May Rights
	// Anybody is what everybody may do, to all groups.
	Anybody Rights
	// Match selects the groups that the principal may push to and delete. Nil
	// selects all.
	Match *config.Selector
}

// Known reports whether the principal is a user of the configuration.
func (p *Principal) Known() bool { return p != nil && p.Name != config.Anonymous }

// Restricted reports whether there can be groups that the principal may not
// delete.
func (p *Principal) Restricted() bool {
	return p != nil && !p.Anybody.Has(config.Delete) && (!p.May.Has(config.Delete) || p.Match != nil)
}

// Guarded returns the names of the labels that decide to which groups the
// principal may push, sorted.
func (p *Principal) Guarded() []string {
	if p == nil || p.Match == nil || p.Anybody.Has(config.Push) {
		return nil
	}
	return p.Match.Names()
}

// Denied is the error for something that a principal may not do.
type Denied struct {
	Who        *Principal
	Permission config.Permission // "" if only users may
	Key        grouping.Key      // "" if it is not about one group
}

// Check returns nil if a principal may do something to the group with a key, or
// a Denied. The key counts for pushes and deletes only. With an empty key, Check
// says whether the principal may do it to any group at all. A nil principal may
// do everything: nobody has configured who may do what.
func Check(who *Principal, what config.Permission, key grouping.Key) error {
	switch {
	case who == nil || who.Anybody.Has(what):
		return nil
	case !who.May.Has(what):
		return &Denied{who, what, ""}
	case who.Match == nil || key == "" || what != config.Push && what != config.Delete:
		return nil
	case !who.selects(key):
		return &Denied{who, what, key}
	}
	return nil
}

// selects reports whether the selector of the principal selects a key, whatever names
// scrapes give to its labels: some show env.x as env_x.
func (p *Principal) selects(key grouping.Key) bool {
	if !p.Match.Matches(key) {
		return false
	}
	for _, l := range key.Labels() {
		for _, name := range metric.OtherLabels(l.Name) {
			if slices.Contains(p.Match.Names(), name) && !p.Match.Matches(key.With(metric.Label{Name: name, Value: l.Value})) {
				return false
			}
		}
	}
	return true
}

// Error says who may not do what, why, and what to do.
func (d *Denied) Error() string {
	may := phrases[d.Permission]
	switch {
	case !d.Who.Known() && d.Permission == "":
		return "nobody is logged in; send the password or the token of a user"
	case !d.Who.Known():
		return fmt.Sprintf("nobody is logged in, and only users with the permission %s may %s; send the password or the token of one", d.Permission, may)
	case d.Key != "":
		return fmt.Sprintf("the user %q may not %s the group %s, since it may only %s groups that %s selects; use a user who may, or change its match in --config.file", d.Who.Name, verbs[d.Permission], d.Key.Excerpt(), verbs[d.Permission], d.Who.Match)
	}
	return fmt.Sprintf("the user %q may not %s: its permissions are %s; use a user who may, or add %s to its list may in --config.file", d.Who.Name, may, d.Who.permissions(), d.Permission)
}

// verbs are what is done to one group.
var verbs = map[config.Permission]string{config.Push: "push to", config.Delete: "delete"}

// permissions lists what a principal may do.
func (p *Principal) permissions() string {
	return cmp.Or((p.May | p.Anybody).String(), "none")
}
