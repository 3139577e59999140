package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/metric"
)

const (
	limitName = "pushgateway_limit"
	usedName  = "pushgateway_limit_used"
)

// limitFamilies are the types of the metrics of limits. Their names are reserved
// even if there are no limits.
var limitFamilies = map[string]metric.Type{limitName: metric.Gauge, usedName: metric.Gauge}

// LimitUse is a limit of what may be stored, and how much of it is used.
type LimitUse struct {
	Limit string // its name
	Rule  string // the match of the rule that sets it; "" if it is for everything
	Most  int
	Used  int
}

// ObserveLimits exposes limits. uses returns those in force.
func (m *Metrics) ObserveLimits(uses func() []LimitUse) {
	m.registry.MustRegister(limits(uses))
}

// limits collects limits. Those without a rule have no such label.
type limits func() []LimitUse

var (
	limitDesc = prometheus.NewDesc(limitName, "Limit of what may be stored, by the name of its key in the configuration file without max_. Absent if there is no limit.", nil, nil)
	usedDesc  = prometheus.NewDesc(usedName, "How much is used of a limit of what may be stored. For the limits of a rule, by the job that uses most.", nil, nil)
)

// Describe describes nothing, since the labels differ.
func (l limits) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (l limits) Collect(to chan<- prometheus.Metric) {
	for _, u := range l() {
		to <- limitMetric{limitDesc, u, u.Most}
		to <- limitMetric{usedDesc, u, u.Used}
	}
}

type limitMetric struct {
	desc  *prometheus.Desc
	of    LimitUse
	value int
}

// Desc implements prometheus.Metric.
func (m limitMetric) Desc() *prometheus.Desc { return m.desc }

// Write implements prometheus.Metric.
func (m limitMetric) Write(to *dto.Metric) error {
	to.Label = append(to.Label, &dto.LabelPair{Name: proto.String("limit"), Value: proto.String(m.of.Limit)})
	if m.of.Rule != "" {
		to.Label = append(to.Label, &dto.LabelPair{Name: proto.String("rule"), Value: proto.String(m.of.Rule)})
	}
	to.Gauge = &dto.Gauge{Value: proto.Float64(float64(m.value))}
	return nil
}
