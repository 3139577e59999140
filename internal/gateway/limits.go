package gateway

import (
	"fmt"

	"pushgateway/internal/exposition"
)

// Limits bound the size of a group, since each change of a group stores and
// writes all of it. Zero fields have their defaults.
type Limits struct {
	Series int // 1,000,000 by default
	Text   int // bytes of all lines, 256 MiB by default
}

const (
	defaultSeries = 1_000_000
	defaultText   = 256 << 20
)

// check refuses a group that has grown beyond a limit from old, which may be
// nil. A group that exceeded the limit before may stay or shrink.
func (l Limits) check(g, old *Group) error {
	if old == nil {
		old = new(Group)
	}
	if most := orDefault(l.Series, defaultSeries); g.Series > most && g.Series > old.Series {
		return tooLarge(g, fmt.Sprintf("%d series", g.Series), fmt.Sprint(most))
	}
	if most := orDefault(l.Text, defaultText); g.Text > most && g.Text > old.Text {
		return tooLarge(g, fmt.Sprintf("%d bytes of text", g.Text), fmt.Sprint(most))
	}
	return nil
}

func orDefault(limit, usual int) int {
	if limit == 0 {
		return usual
	}
	return limit
}

func tooLarge(g *Group, has, limit string) error {
	return fmt.Errorf("%w: the group %s would have %s, more than the limit of %s; push to several groups, or replace this one with PUT", exposition.ErrTooLarge, g.Key.Excerpt(), has, limit)
}
