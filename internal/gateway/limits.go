package gateway

import (
	"fmt"

	"pushgateway/internal/exposition"
	"pushgateway/internal/guard"
)

// Limits bound the size of each group, and the groups that exist only through
// failures.
type Limits guard.GroupLimits

func (l Limits) withDefaults() Limits { return Limits(guard.GroupLimits(l).WithDefaults()) }

// check refuses a group that has grown beyond a limit from old, which may be
// nil. A group that exceeded the limit before may stay or shrink.
func (l Limits) check(g, old *Group) error {
	if old == nil {
		old = new(Group)
	}
	if g.Series > l.Series && g.Series > old.Series {
		return l.tooLarge(guard.LimitSeriesPerGroup, g, fmt.Sprintf("%d series", g.Series), l.Series)
	}
	if g.Text > l.Text && g.Text > old.Text {
		return l.tooLarge(guard.LimitGroupBytes, g, fmt.Sprintf("%d bytes of text", g.Text), l.Text)
	}
	return nil
}

func (l Limits) tooLarge(limit guard.Limit, g *Group, has string, most int) error {
	return &guard.LimitError{
		Limit: limit, At: l.Sources[limit], Err: exposition.ErrTooLarge,
		Says:   fmt.Sprintf("%v: the group %s would have %s, more than the limit of %d", exposition.ErrTooLarge, g.Key.Excerpt(), has, most),
		Advice: "push to several groups, or replace this one with PUT",
	}
}
