package natsjournal

import (
	"fmt"

	"pushgateway/internal/gateway"
)

// When the stream is this full, in percent, the journal refuses new groups, and
// later also records that grow. The rest is for changes of the groups that
// exist, and for their ends, which are messages too.
const (
	fullForNew     = 95
	fullForGrowing = 98
)

// room returns an error if there is no room for a change. The caller holds mu.
func (j *Journal) room(e *entry, c gateway.Change, size int) error {
	u := j.usage.Load()
	if c.Group == nil || u == nil || u.most == 0 {
		return nil
	}
	percent := u.bytes * 100 / u.most
	switch {
	case !e.live && percent >= fullForNew:
		return fmt.Errorf("%w. It is %d %% full, and new groups are refused from %d %% on", errFull, percent, fullForNew)
	case size > e.size && percent >= fullForGrowing:
		return fmt.Errorf("%w. It is %d %% full, and groups may not grow from %d %% on", errFull, percent, fullForGrowing)
	}
	return nil
}
