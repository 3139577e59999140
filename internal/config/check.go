package config

import (
	"fmt"
	"strings"

	"github.com/alecthomas/units"
	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/exposition"
)

// check notes what the values of single keys do not show, and reads the files of
// secrets.
func (d *decoder) check() {
	d.checkLengths(d.config.Limits)
	d.checkSizes(d.config.Limits)
	for i := range d.config.Rules {
		d.config.Rules[i].Index = i
		d.checkRule(&d.config.Rules[i])
	}
	d.checkJobs()
	if d.config.Cluster != nil {
		d.checkCluster(d.config.Cluster)
	}
	if d.config.Access != nil {
		d.checkUsers(d.config.Access.Users)
	}
}

// checkLengths refuses limits beyond which a push could end a Prometheus.
func (d *decoder) checkLengths(l Limits) {
	most := exposition.StoredLimits()
	for _, of := range []struct {
		key       string
		has, most int
	}{
		{"limits.max_name_length", l.NameLength, most.Name},
		{"limits.max_label_name_length", l.LabelNameLength, most.LabelName},
		{"limits.max_label_value_length", l.LabelValueLength, most.Value},
	} {
		if of.has > of.most {
			d.mistake(of.key, "%d is more than %d: Prometheus panics on what is longer; lower it", of.has, of.most)
		}
	}
}

// LeastBodyBytes is the lower bound of limits.max_body_bytes. A smaller value is likely
// to lack its unit, and would refuse every push.
const LeastBodyBytes Bytes = 1 << 10

// checkSizes refuses limits under which the gateway would never take a push.
func (d *decoder) checkSizes(l Limits) {
	const body, inflight = "limits.max_body_bytes", "limits.max_inflight_bytes"
	most := units.Base2Bytes(l.BodyBytes)
	switch least := units.Base2Bytes(LeastBodyBytes); {
	case d.config.Says(body) && l.BodyBytes < LeastBodyBytes:
		d.mistake(body, "it must be at least %s; write it like 64MiB", least)
	case d.config.Says(inflight) && l.InflightBytes < LeastBodyBytes:
		d.mistake(inflight, "it must be at least %s; write it like 512MiB", least)
	case d.config.Says(inflight) && l.InflightBytes < l.BodyBytes:
		d.mistake(inflight, "it must not be less than the largest push, which may have %s (%s); raise it", most, body)
	}
}

func (d *decoder) checkRule(r *Rule) {
	says := func(key string) bool { return d.config.Says(r.Where(key)) }
	switch {
	case r.OnConflict == Replace && !says("long_ago"):
		d.mistake(r.Where("on_conflict"), "replace needs long_ago, so that no job loses its names to another that is as live; add it, like long_ago: 7d")
	case r.OnConflict != Replace && says("long_ago"):
		d.mistake(r.Where("long_ago"), "it means nothing without on_conflict: replace; add that, or remove this")
	case says("long_ago") && r.LongAgo == 0:
		d.mistake(r.Where("long_ago"), "it must not be 0; write it like 7d")
	}
}

// checkUsers checks all users, and reads their secrets.
func (d *decoder) checkUsers(users []User) {
	names, tokens, certificates := make(map[string]int), make(map[Secret]int), make(map[string]int)
	for i := range users {
		u, key := &users[i], fmt.Sprintf("access.users[%d]", i)
		d.checkUser(u, key)
		u.Password, u.Token = d.secret(key+".password_file", u.PasswordFile), d.secret(key+".token_file", u.TokenFile)
		if strings.ContainsFunc(string(u.Token), func(r rune) bool { return r <= ' ' || r > '~' }) {
			d.mistake(key+".token_file", "the file %s holds more than one word, or characters that a header cannot hold; write one token of letters, digits and -._~+/= into it", u.TokenFile)
		}
		alone(d, key+".name", "name", names, u.Name, i)
		alone(d, key+".token_file", "token", tokens, u.Token, i)
		alone(d, key+".certificate", "certificate", certificates, u.Certificate, i)
	}
}

// alone notes if two users have the same of something that tells who they are.
func alone[T ~string](d *decoder, key, what string, seen map[T]int, value T, user int) {
	if value == "" {
		return
	}
	if other, ok := seen[value]; ok {
		d.mistake(key, "access.users[%d] has the same %s; give each user one of its own", other, what)
	}
	seen[value] = user
}

// maxCost bounds the cost of hashes. Each check of one with this cost takes
// seconds.
const maxCost = 16

func (d *decoder) checkHash(hash Secret, key string) {
	if hash == "" {
		return
	}
	cost, err := bcrypt.Cost([]byte(hash))
	switch {
	case err != nil:
		d.mistake(key, "it is not a hash of bcrypt; make one, like with htpasswd -nB")
	case cost > maxCost:
		d.mistake(key, "its cost is %d, so that each check would take very long; make one with a cost of at most %d, like with htpasswd -nBC 10", cost, maxCost)
	}
}

func (d *decoder) checkName(u *User, key string) {
	switch {
	case u.Name == Anonymous:
		d.mistake(key, "this is the name of clients that are not known; list what they may do in access.anonymous, and give the user another name")
	case strings.Contains(u.Name, ":") && (u.PasswordFile != "" || u.PasswordHash != ""):
		d.mistake(key, "a name with a colon cannot be sent with a password; give the user another name")
	}
}

func (d *decoder) checkUser(u *User, key string) {
	if u.PasswordFile != "" && u.PasswordHash != "" {
		d.mistake(key+".password_hash", "the user also has a password_file; remove one of them")
	}
	if u.PasswordFile == "" && u.PasswordHash == "" && u.TokenFile == "" && u.Certificate == "" && u.Addresses == nil {
		d.mistake(key, "nothing tells who the user is; add password_file, password_hash, token_file, certificate or addresses")
	}
	d.checkHash(u.PasswordHash, key+".password_hash")
	d.checkName(u, key+".name")
	for _, name := range []struct{ key, value string }{
		{"name", u.Name}, {"password_file", u.PasswordFile}, {"password_hash", string(u.PasswordHash)}, {"token_file", u.TokenFile}, {"certificate", u.Certificate},
	} {
		if at := key + "." + name.key; name.value == "" && d.config.Says(at) {
			d.mistake(at, "it is empty; set it, or remove the key")
		}
	}
}
