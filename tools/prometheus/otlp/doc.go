// Package otlp tells what Prometheus stores of exports in the OpenTelemetry
// protocol, for a test of the gateway to compare: see e2e/otlp_stored_test.go.
package otlp
