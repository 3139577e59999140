package gateway_test

import (
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
)

func TestMemoryContract(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Store {
		return journaltest.Store{New: func() gateway.Journal { return new(gateway.Memory) }}
	})
}

func TestMembers(t *testing.T) { journaltest.RunMembers(t) }
