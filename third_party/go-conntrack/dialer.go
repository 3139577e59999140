// Package conntrack has the part of go-conntrack's API that Prometheus'
// libraries compile against. It dials, and neither counts nor traces.
package conntrack

import (
	"context"
	"net"
)

// DialFunc is a function that dials, like that of a net.Dialer.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// DialOption is an option of NewDialContextFunc.
type DialOption func(*DialFunc)

// DialWithName would name the dialer in metrics, which there are none of.
func DialWithName(string) DialOption { return func(*DialFunc) {} }

// DialWithTracing would list connections on /debug/events, which does not exist.
func DialWithTracing() DialOption { return func(*DialFunc) {} }

// DialWithDialContextFunc sets what dials.
func DialWithDialContextFunc(dial DialFunc) DialOption {
	return func(f *DialFunc) { *f = dial }
}

// NewDialContextFunc returns what dials: a net.Dialer, unless an option sets
// something else.
func NewDialContextFunc(options ...DialOption) DialFunc {
	dial := (&net.Dialer{}).DialContext
	for _, option := range options {
		option(&dial)
	}
	return dial
}
