package storage

import (
	"crypto/tls"

	"pushgateway/internal/natsjournal"
)

// Cluster describes a stream of NATS JetStream that members share.
type Cluster struct {
	URLs        []string // of the servers
	Stream      string
	Replicas    int
	MaxBytes    int64       // of a new stream; 0 means no bound
	Credentials string      // a file, or ""
	TLS         *tls.Config // nil if the URLs decide
	AllowOld    bool        // accepts servers that are known not to work well
	Address     string      // where others reach this member
}

func openCluster(c Config) *Store {
	c.setDefaults()
	config := natsjournal.Config{
		URLs: c.Cluster.URLs, Stream: c.Cluster.Stream, Replicas: c.Cluster.Replicas, MaxBytes: c.Cluster.MaxBytes,
		Credentials: c.Cluster.Credentials, TLS: c.Cluster.TLS, AllowOld: c.Cluster.AllowOld,
		Member: c.Cluster.Address, Logger: c.Logger, Progress: c.Progress, Waiting: c.Waiting,
	}
	if c.Written != nil {
		config.Observe = func(w natsjournal.Written) { c.Written(w.Changes, w.Bytes, w.Took, w.Err) }
	}
	nats := natsjournal.New(config)
	return &Store{Journal: nats, nats: nats}
}
