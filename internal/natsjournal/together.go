package natsjournal

import "github.com/nats-io/nats.go"

// mostTogether bounds how many messages are handled together.
const mostTogether = 64

// together returns a handler that passes on together the messages of a subscription that
// have come, in order. Then handle takes locks, and wakes whoever waits for them, less
// often.
func together(handle func([]*nats.Msg)) nats.MsgHandler {
	var come []*nats.Msg
	return func(m *nats.Msg) { // the client calls it from one goroutine
		come = append(come, m)
		waiting, _, err := m.Sub.Pending() // counts m
		if err == nil && waiting > 1 && len(come) < mostTogether {
			return
		}
		handle(come)
		clear(come)
		come = come[:0]
	}
}
