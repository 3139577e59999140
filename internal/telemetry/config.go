package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pushgateway/internal/metric"
)

const (
	configSuccessful = "pushgateway_config_last_reload_successful"
	configSuccess    = "pushgateway_config_last_reload_success_timestamp_seconds"
)

// configFamilies are the types of the metrics of a configuration file. Without
// one their names are reserved but not exposed.
var configFamilies = map[string]metric.Type{configSuccessful: metric.Gauge, configSuccess: metric.Gauge}

// ObserveConfig exposes the metrics of a configuration file. last returns
// whether the last attempt to read it was successful, and when one was.
func (m *Metrics) ObserveConfig(last func() (successful bool, success time.Time)) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: configSuccessful, Help: "Whether the last configuration reload attempt was successful."}, func() float64 {
			if successful, _ := last(); successful {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: configSuccess, Help: "Timestamp of the last successful configuration reload."}, func() float64 {
			_, success := last()
			return float64(success.UnixMilli()) / 1e3
		}),
	)
}
