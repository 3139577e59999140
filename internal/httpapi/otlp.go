package httpapi

import (
	"net/http"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/otlp"
)

// nameOTLP is the name of the routes of the OpenTelemetry protocol.
const nameOTLP = "otlp"

// otlp serves exports in the OpenTelemetry protocol. It answers as its
// specification says.
func (a *api) otlp(w http.ResponseWriter, r *http.Request) {
	encoding, ok := otlp.EncodingOf(r.Header.Get("Content-Type"))
	if !ok {
		otlp.WriteError(w, encoding, http.StatusUnsupportedMediaType, "the Content-Type must be application/x-protobuf or application/json")
		return
	}
	start := time.Now()
	out, size, err := a.Intake.PushOTLP(r.Context(), a.pushRequest(w, r, false), encoding)
	a.Pushed("post", size, time.Since(start))
	a.activity.note(time.Now(), err == nil && len(out.Refused) == 0)
	for _, err := range out.Refused {
		a.noteRefused(r, "", err)
	}
	if err == nil {
		otlp.WriteAnswer(w, encoding, out.Rejected)
		return
	}
	status := a.refused(w, r, err)
	if status == http.StatusRequestTimeout { // which SDKs do not retry
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", retryAfter)
	}
	otlp.WriteError(w, encoding, status, excerpt.Message(err))
}
