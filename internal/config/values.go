package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"

	"pushgateway/internal/duration"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
	"pushgateway/internal/nearest"
	"pushgateway/internal/selector"
)

// Bytes is a size. It is written like 64MiB, or as a number of bytes.
type Bytes int64

var errSize = errors.New("it is not a size; write it like 64MiB, or as a number of bytes")

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		var size units.Base2Bytes
		size, err = units.ParseBase2Bytes(string(text))
		n = int64(size)
	}
	switch {
	case err != nil:
		return errSize
	case n < 1:
		return errors.New("it is less than 1 byte; write it like 64MiB")
	}
	*b = Bytes(n)
	return nil
}

// Duration is written as in Prometheus, like 90m, 2h30m or 7d.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := duration.Parse(string(text))
	switch {
	case errors.Is(err, duration.ErrTooLong):
		return fmt.Errorf("%q is longer than 100 years; shorten it", excerpt.Of(string(text)))
	case err != nil:
		return fmt.Errorf("%q is not a duration; write it like 90m, 24h or 7d", excerpt.Of(string(text)))
	}
	*d = Duration(parsed)
	return nil
}

// String returns it as in the file.
func (d Duration) String() string { return model.Duration(d).String() }

// Rate is how often something may happen in a second.
type Rate float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n > 0) || math.IsInf(n, 1) {
		return fmt.Errorf("%q is not a number above 0; write it like 50 or 0.5, or remove the key", excerpt.Of(string(text)))
	}
	*r = Rate(n)
	return nil
}

// Selector selects groups by their grouping labels.
type Selector struct {
	text string
	set  selector.Set
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Selector) UnmarshalText(text []byte) (err error) {
	if strings.TrimSpace(string(text)) == "" {
		return errors.New("it is empty; write a selector of grouping labels, like {job=\"backup\"}")
	}
	s.text = string(text)
	if s.set, err = selector.ParseOne(s.text, guard.SelectorLimits{}); err != nil {
		return fmt.Errorf("%q %w", excerpt.Of(s.text), err)
	}
	return nil
}

// String returns it as in the file.
func (s Selector) String() string { return s.text }

// All reports whether the selector is {}, which selects every group.
func (s Selector) All() bool { return strings.Join(strings.Fields(s.text), "") == "{}" }

// Network is a network, or a single address.
type Network struct{ netip.Prefix }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Network) UnmarshalText(text []byte) error {
	network, err := netip.ParsePrefix(string(text))
	if !strings.Contains(string(text), "/") {
		var alone netip.Addr
		if alone, err = netip.ParseAddr(string(text)); err == nil {
			network, err = alone.Prefix(alone.BitLen())
		}
	}
	if err != nil {
		return fmt.Errorf("%q is not a network or an address; write it like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32", excerpt.Of(string(text)))
	}
	n.Prefix = network.Masked()
	return nil
}

// OnConflict says what happens when a push contradicts another group.
type OnConflict string

const (
	// Refuse refuses the push. It is the default, also as "".
	Refuse OnConflict = "refuse"
	// Replace takes the names from a group that nobody has pushed to for long.
	Replace OnConflict = "replace"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *OnConflict) UnmarshalText(text []byte) error {
	*o = OnConflict(text)
	if *o != Refuse && *o != Replace {
		return fmt.Errorf("%q is unknown; write refuse or replace", excerpt.Of(string(text)))
	}
	return nil
}

// Permission is something that a client can be allowed to do.
type Permission string

// The permissions.
const (
	Push      Permission = "push"
	Delete    Permission = "delete"
	Scrape    Permission = "scrape"
	Query     Permission = "query" // the JSON API
	UI        Permission = "ui"
	Admin     Permission = "admin"
	Lifecycle Permission = "lifecycle"
	Debug     Permission = "debug"
	Health    Permission = "health"
)

// Permissions lists all permissions.
var Permissions = []Permission{Push, Delete, Scrape, Query, UI, Admin, Lifecycle, Debug, Health}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Permission) UnmarshalText(text []byte) error {
	var names []string
	for _, known := range Permissions {
		if string(known) == string(text) {
			*p = known
			return nil
		}
		names = append(names, string(known))
	}
	return fmt.Errorf("the permission %q is unknown; %s", excerpt.Of(string(text)), nearest.Instead(string(text), names))
}

// Secret is a text that is not shown.
type Secret string

// hidden is shown in the place of secrets.
const hidden = "<secret>"

// String hides the secret.
func (s Secret) String() string { return hidden }

// GoString hides the secret.
func (s Secret) GoString() string { return hidden }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
