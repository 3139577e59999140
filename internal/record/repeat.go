package record

import (
	"errors"

	"pushgateway/internal/gateway"
)

// errOther means that a record has something else than the group had.
var errOther = errors.New("it is not a repetition")

// repeat reads the message of a group that has the families and series of old,
// with other values, as most pushes of a job do. If it returns false, read must
// read it.
func (g *reading) repeat(content []byte, old *gateway.Group) bool {
	blank := *g
	g.Families = make([]gateway.Held, 0, len(old.Families))
	err := eachField(content, func(f field) error {
		if f.num != groupFamilies {
			return g.take(f)
		}
		return g.repeatFamily(f.bytes, old)
	})
	if err != nil || len(g.Families) != len(old.Families) {
		*g = blank
		return false
	}
	blocks := g.stored.Repeated()
	for i := range g.Families {
		g.Families[i].Block = blocks[i]
	}
	g.Repeats = old
	return true
}

// repeatFamily reads the next family, except its block.
func (g *reading) repeatFamily(msg []byte, old *gateway.Group) error {
	i := len(g.Families)
	if i == len(old.Families) {
		return errOther
	}
	h, p, err := g.readHeld(msg)
	if err != nil {
		return err
	}
	if p.ends != nil || !g.stored.Repeats(old.Families[i].Block, p.family, p.text) {
		return errOther
	}
	g.Families = append(g.Families, h)
	return nil
}
