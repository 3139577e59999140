package storage

import (
	"crypto/tls"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
)

// Cluster describes a stream of NATS JetStream that members share.
type Cluster struct {
	URLs        []string // of the servers
	Stream      string
	Replicas    int
	MaxBytes    int64       // of a new stream; 0 means no bound
	Credentials string      // a file, or ""
	System      string      // a file with credentials for the system account, or ""
	TLS         *tls.Config // nil if the URLs decide
	Authorities string      // a file with certificates of authorities, or ""
	AllowOld    bool        // accepts servers that are known not to work well
	Version     string      // of the program
	Address     string      // where others reach this member; "" for a command that others should not see
	// Newest is the newest format of records that this member reads and writes. 0
	// means gateway.NewestFormat. With another one it acts as an older version.
	Newest gateway.Format

	mustExist bool
	first     uint64 // sequence of the first message of a new stream
}

func openCluster(c Config) *Store {
	c.setDefaults()
	config := natsjournal.Config{
		URLs: c.Cluster.URLs, Stream: c.Cluster.Stream, Replicas: c.Cluster.Replicas, MaxBytes: c.Cluster.MaxBytes,
		Credentials: c.Cluster.Credentials, SystemCredentials: c.Cluster.System, TLS: c.Cluster.TLS, Authorities: c.Cluster.Authorities, AllowOld: c.Cluster.AllowOld,
		Member: c.Cluster.Address, Version: c.Cluster.Version, Newest: c.Cluster.Newest, MustExist: c.Cluster.mustExist, First: c.Cluster.first,
		Logger: c.Logger, Progress: c.Progress, Waiting: c.Waiting,
	}
	if c.Written != nil {
		config.Observe = func(w natsjournal.Written) { c.Written(w.Changes, w.Bytes, w.Took, w.Err) }
	}
	nats := natsjournal.New(config)
	return &Store{Journal: nats, nats: nats}
}

// Members returns the members that share the stream, this one included, sorted by
// address. It returns nil if nobody shares what is stored.
func (s *Store) Members() (all []gateway.Member) {
	if s.nats == nil {
		return nil
	}
	for _, peer := range s.nats.Peers() {
		all = append(all, peer.Member)
	}
	return all
}

// Cluster returns the state of this member, or false if nobody shares what is
// stored.
func (s *Store) Cluster() (natsjournal.Status, bool) {
	if s.nats == nil {
		return natsjournal.Status{}, false
	}
	return s.nats.Status(), true
}

// Now returns the time that all members agree on.
func (s *Store) Now() time.Time {
	if s.nats == nil {
		return time.Now()
	}
	return s.nats.Now()
}

// Lag returns for how long this member has not known that it has everything
// that others have stored. It is 0 if it has.
func (s *Store) Lag() time.Duration {
	if s.nats == nil {
		return 0
	}
	return s.nats.Lag()
}

// Present returns the state that view returns, with its revision. exact means
// that every member has the same groups at this revision. Otherwise the state
// has all changes up to the revision, and some later ones.
func (s *Store) Present(view func() *gateway.View) (v *gateway.View, revision gateway.Revision, exact bool) {
	if s.nats == nil {
		v = view()
		return v, v.Revision, true
	}
	const tries = 3
	for range tries {
		before, whole := s.nats.Revision()
		v = view()
		after, still := s.nats.Revision()
		if revision = before; before == after && whole && still {
			return v, revision, true
		}
	}
	return v, revision, false
}
