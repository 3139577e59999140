package server

import (
	"context"

	"pushgateway/internal/accesslog"
	"pushgateway/internal/gateway"
)

// watched notes how long requests wait for a journal.
type watched struct{ gateway.Journal }

func (w watched) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	defer accesslog.Of(ctx).Waiting(accesslog.ForJournal)()
	return w.Journal.Commit(ctx, changes)
}
