package httpapi

import (
	"net/http"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/trouble"
)

// troubles serves what is wrong at present, in the order in which it began, and
// then what was wrong before, latest first.
func (a *api) troubles(w http.ResponseWriter, _ *http.Request) {
	list := append([]trouble.Trouble{}, a.Troubles()...)
	for i := range list {
		t := &list[i]
		t.Summary, t.Reason, t.Advice = excerpt.Line(t.Summary, excerpt.MostMessage), excerpt.Line(t.Reason, excerpt.MostMessage), excerpt.Line(t.Advice, excerpt.MostMessage)
	}
	writeData(w, map[string]any{"troubles": list})
}
