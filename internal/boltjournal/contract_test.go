package boltjournal_test

import (
	"path/filepath"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
)

func TestContract(t *testing.T) {
	for name, interval := range map[string]time.Duration{"at once": 0, "now and then": time.Millisecond, "only at the end": time.Hour} {
		t.Run(name, func(t *testing.T) {
			journaltest.Run(t, func(t *testing.T) journaltest.Store {
				path := filepath.Join(t.TempDir(), "journal")
				return journaltest.Store{Durable: true, New: func() gateway.Journal {
					return boltjournal.New(boltjournal.Config{Path: path, Interval: interval})
				}}
			})
		})
	}
}
