package httpapi

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/route"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// push serves PUT, which replaces the group, and POST, which replaces the
// families that it names.
func (a *api) push(jobLabel string, replace bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		size, err := a.takePush(r, jobLabel, replace)
		a.Pushed(strings.ToLower(r.Method), size, time.Since(start))
		switch {
		case err != nil:
			a.refuse(w, r, err)
		case a.Gateway.Unchecked:
			w.WriteHeader(http.StatusAccepted)
		}
	}
}

func (a *api) takePush(r *http.Request, jobLabel string, replace bool) (size int64, err error) {
	key, err := a.key(r, jobLabel)
	if err != nil {
		return 0, err
	}
	body, err := a.bodies.read(r)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	blocks, err := a.parse(r, body.bytes, key)
	if err == nil {
		err = a.Gateway.Push(r.Context(), gateway.Push{Key: key, Blocks: blocks, Replace: replace})
	} else if a.isVerdict(err) {
		a.Gateway.Refuse(key, err)
	}
	if a.Gateway.Unchecked && errors.Is(err, exposition.ErrTimestamps) {
		a.Refused(reasonTimestamps)
		err = nil // 1.11 answers before it looks at them
	}
	return body.received, err
}

func (a *api) key(r *http.Request, jobLabel string) (grouping.Key, error) {
	key, err := a.Keys.Decode(jobLabel, route.Param(r.Context(), "job"), route.Param(r.Context(), "labels"))
	if err != nil {
		return "", &keyError{err}
	}
	return key, nil
}

// parse makes finished blocks of a body. They do not use its memory.
func (a *api) parse(r *http.Request, body []byte, key grouping.Key) ([]*exposition.Block, error) {
	p := exposition.GetParser()
	defer p.Release()
	var families []*metric.Family
	var err error
	protobuf := isProtobuf(r.Header.Get("Content-Type"))
	if protobuf {
		families, err = p.ParseProto(body)
	} else {
		families, err = p.ParseText(body)
	}
	if err != nil {
		return nil, err
	}
	families = slices.DeleteFunc(families, isIgnored)
	o := exposition.Options{
		Grouping: key.Labels(),
		MaxBytes: int(4 * a.MaxBodyBytes),
		Valid:    !protobuf, // reading text has looked at it already
	}
	if a.Gateway.Unchecked {
		o.Duplicate = a.Duplicate
	}
	return exposition.Render(families, o)
}

// isIgnored finds pushed families that the gateway makes itself, whatever they
// say, as in 1.11. Timestamps are refused even there.
func isIgnored(f *metric.Family) bool {
	timed := slices.ContainsFunc(f.Series, func(s metric.Series) bool { return s.Timed })
	return (f.Name == metric.PushTime || f.Name == metric.PushFailureTime) && !timed
}

// isProtobuf takes every other content type for text, as 1.11 does.
func isProtobuf(contentType string) bool {
	if !strings.HasPrefix(contentType, "application/vnd.google.protobuf") {
		return false
	}
	_, params, err := mime.ParseMediaType(contentType)
	return err == nil && params["encoding"] == "delimited" && params["proto"] == "io.prometheus.client.MetricFamily"
}

// isVerdict tells whether a well-formed body was refused for what it says,
// which the group's failure time shows.
func (a *api) isVerdict(err error) bool {
	var invalid *exposition.InvalidError
	return errors.Is(err, exposition.ErrTimestamps) || errors.As(err, &invalid)
}

// delete serves DELETE. It answers 202, though the group is gone already:
// clients depend on it.
func (a *api) delete(jobLabel string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, err := a.key(r, jobLabel)
		switch {
		case err == nil:
			err = a.Gateway.Delete(r.Context(), key)
		case errors.Is(err, grouping.ErrNotText):
			err = nil // no such group can exist
		}
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
}
