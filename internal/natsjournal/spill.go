package natsjournal

import (
	"context"
	"crypto/rand"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// A hot group has many receipts, and each of its messages has them all. So the
// older ones are stored elsewhere: with the end of a group that has never been,
// which the stream keeps for as long as receipts live. Once that is acknowledged,
// later messages of the group leave them out. If members do so at the same time,
// or one that still carries them writes next, receipts are there twice.

const (
	// mostReceipts is how many receipts a message of a group has before the older
	// ones are stored elsewhere.
	mostReceipts = 300
	// fewReceipts is how many then stay.
	fewReceipts = 50
	// maxReceipts is how many fit into a message, with 54 bytes each: NATS accepts
	// 64 KiB of headers.
	maxReceipts = 1100
	// spillWithin is how long storing them may take. The next write tries again.
	spillWithin = 5 * time.Second
)

// relieve stores the older ones of receipts, which a message of the group has,
// elsewhere if they are too many. The caller holds mu.
func (j *Journal) relieve(token string, e *entry, receipts []gateway.Receipt) {
	if len(receipts) <= mostReceipts || e.spilling || j.closed {
		return
	}
	e.spilling = true
	old := receipts[:min(len(receipts)-fewReceipts, maxReceipts)]
	j.running.Go(func() { j.spill(token, old) })
}

func (j *Journal) spill(token string, old []gateway.Receipt) {
	stored := false
	key, err := grouping.NewKey("receipts", metric.Label{Name: "part", Value: rand.Text()})
	if err == nil {
		ctx, end := context.WithTimeout(context.Background(), spillWithin)
		defer end()
		stored = j.Commit(ctx, []gateway.Change{{Key: key, Receipts: old}})[0].Verdict == gateway.Committed
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entry(token)
	if e.spilling = false; !stored {
		return
	}
	e.spilled = make(map[gateway.Receipt]bool, len(old))
	for _, r := range old {
		e.spilled[r] = true
	}
}
