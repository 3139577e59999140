// Package otlp tells what Prometheus stores of exports in the OpenTelemetry
// protocol, for the tests of the gateway to compare. Its test has a tag, since
// Prometheus takes minutes to build.
package otlp
