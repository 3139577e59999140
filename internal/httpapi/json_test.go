package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// pieces notes the size of the largest write of an answer.
type pieces struct {
	*httptest.ResponseRecorder
	largest int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.ResponseRecorder.Write(b)
}

// TestLargeGroupAsJSON wants a group with many series to be answered without
// ever being in memory as JSON.
func TestLargeGroupAsJSON(t *testing.T) {
	const series = 20_000
	w := newTwin(t, refillMode{}, time.Now)
	var text strings.Builder
	for i := range series {
		fmt.Fprintf(&text, "m{a=\"%d\"} %d\n", i, i)
	}
	if a := w.ask(http.MethodPut, "/metrics/job/a", text.String()+"# TYPE n gauge\n", ""); !strings.HasPrefix(a, "200") {
		t.Fatal(a)
	}
	type family struct{ Metrics []struct{ Value string } }
	var groups struct{ Data []struct{ M family } }
	var group struct {
		Data struct{ Metrics struct{ M family } }
	}
	for path, into := range map[string]any{"/api/v1/metrics": &groups, "/api/v1/group/job/a": &group} {
		answer := &pieces{ResponseRecorder: httptest.NewRecorder()}
		w.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.largest > 128<<10 {
			t.Errorf("%s: %d of %d bytes were written at once", path, answer.largest, answer.Body.Len())
		}
		if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if len(groups.Data) != 1 || len(groups.Data[0].M.Metrics) != series || len(group.Data.Metrics.M.Metrics) != series {
		t.Errorf("series are missing")
	}
}
