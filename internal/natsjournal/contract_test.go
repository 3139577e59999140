package natsjournal_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

func TestContract(t *testing.T) {
	for _, servers := range []int{1, 3} {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) {
			cluster, streams := natstest.Start(t, servers), new(atomic.Int64)
			journaltest.Run(t, func(*testing.T) journaltest.Store {
				stream := fmt.Sprint("S", streams.Add(1))
				return journaltest.Store{Durable: true, New: func() gateway.Journal {
					return natsjournal.New(natsjournal.Config{URLs: cluster.URLs(), Stream: stream, Replicas: servers})
				}}
			})
		})
	}
}
