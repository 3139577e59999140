package gateway

import "fmt"

// Format is a version of what a journal stores of a group. A member reads all
// formats up to NewestFormat.
type Format uint8

// The formats.
const (
	Format1 Format = 1
	// Format2 also has Group.Runs and Held.Ends.
	Format2 Format = 2

	NewestFormat = Format2
)

// Formats returns the oldest format that has everything that a group has, and
// the oldest one that keeps what clients were promised. A member may write a
// format between the two, and leave out the rest.
func (g *Group) Formats() (whole, least Format) {
	whole, least = Format1, Format1
	if len(g.Runs) > 0 {
		whole = Format2
	}
	if g.firstEnd != 0 {
		whole, least = Format2, Format2
	}
	return whole, least
}

// Allows returns an error if the journal may not write a format yet, because a
// member would not understand it. The error wraps ErrUnavailable: the same push
// works once all members are of this version.
func (g *Gateway) Allows(f Format) error {
	if newest, member := g.config.Journal.Writes(); newest < f {
		return fmt.Errorf("%w: %w", ErrUnavailable, OlderMember(member))
	}
	return nil
}

// OlderMember returns the error of a change that a member could not read.
func OlderMember(member string) error {
	return fmt.Errorf("the member %s has an older version, which cannot read it; upgrade that member, or stop it", member)
}
