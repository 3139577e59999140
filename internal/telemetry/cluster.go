package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pushgateway/internal/metric"
)

// Cluster is the state of a gateway that shares its groups with others.
type Cluster struct {
	Connected                   bool // to a server
	Behind                      uint64
	Lag, Skew                   time.Duration
	Revision                    uint64
	Retries, Conflicts, Unknown uint64
	Unreadable, Diverging       int
	Differing                   int // settings of the stream
	Members                     int
	MaxBytes                    uint64 // of the stream; 0 means no bound
}

// clusterFamilies are the families that ObserveCluster fills. They are always
// reserved.
var clusterFamilies = []struct {
	name, help string
	typ        metric.Type
	value      func(Cluster) float64
}{
	{"pushgateway_cluster_connected", "1 if there is a connection to a NATS server, 0 if not.", metric.Gauge, func(c Cluster) float64 {
		if c.Connected {
			return 1
		}
		return 0
	}},
	{"pushgateway_cluster_lag_seconds", "For how long the gateway has not known that it has everything that others have stored, 0 if it has.", metric.Gauge, func(c Cluster) float64 { return c.Lag.Seconds() }},
	{"pushgateway_cluster_lag_messages", "Messages of the stream that the gateway knows of and has not applied.", metric.Gauge, func(c Cluster) float64 { return float64(c.Behind) }},
	{"pushgateway_cluster_revision", "The message of the stream up to which everything is applied.", metric.Gauge, func(c Cluster) float64 { return float64(c.Revision) }},
	{"pushgateway_cluster_retries_total", "Changes sent to the NATS servers again.", metric.Counter, func(c Cluster) float64 { return float64(c.Retries) }},
	{"pushgateway_cluster_conflicts_total", "Changes made again because another gateway changed the same group first.", metric.Counter, func(c Cluster) float64 { return float64(c.Conflicts) }},
	{"pushgateway_cluster_unknown_total", "Changes whose outcome was not known in time.", metric.Counter, func(c Cluster) float64 { return float64(c.Unknown) }},
	{"pushgateway_cluster_unreadable_groups_total", "Groups of other gateways that this version could not read.", metric.Counter, func(c Cluster) float64 { return float64(c.Unreadable) }},
	{"pushgateway_cluster_diverging_groups_total", "Groups found to be missing on a replica of the stream.", metric.Counter, func(c Cluster) float64 { return float64(c.Diverging) }},
	{"pushgateway_cluster_settings_differing", "Settings of the stream that somebody has changed, and that must be changed back.", metric.Gauge, func(c Cluster) float64 { return float64(c.Differing) }},
	{"pushgateway_cluster_clock_skew_seconds", "By how much the clock of the gateway is ahead of that of the NATS servers.", metric.Gauge, func(c Cluster) float64 { return c.Skew.Seconds() }},
	{"pushgateway_cluster_members", "Gateways that share the stream and gave a sign of life within the last hour.", metric.Gauge, func(c Cluster) float64 { return float64(c.Members) }},
	{"pushgateway_cluster_stream_max_bytes", "Maximum size of the stream, 0 if there is none.", metric.Gauge, func(c Cluster) float64 { return float64(c.MaxBytes) }},
}

// ObserveCluster exposes the state of a gateway that shares its groups.
func (m *Metrics) ObserveCluster(state func() Cluster) {
	c := &clusterCollector{state: state}
	for _, f := range clusterFamilies {
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, nil, nil))
	}
	m.registry.MustRegister(c)
}

// clusterCollector asks for the state once a scrape, so that its values belong
// together.
type clusterCollector struct {
	state func() Cluster
	descs []*prometheus.Desc // of clusterFamilies
}

func (c *clusterCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

func (c *clusterCollector) Collect(to chan<- prometheus.Metric) {
	state := c.state()
	for i, f := range clusterFamilies {
		typ := prometheus.GaugeValue
		if f.typ == metric.Counter {
			typ = prometheus.CounterValue
		}
		to <- prometheus.MustNewConstMetric(c.descs[i], typ, f.value(state))
	}
}
