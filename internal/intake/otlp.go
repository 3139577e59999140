package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/otlp"
)

// Exported is what became of a request in the OpenTelemetry protocol.
type Exported struct {
	// Rejected are the points that were not taken.
	Rejected otlp.Rejected
	// Refused are the errors of groups that were refused as a whole, as those of
	// Gateway.Push, and of families over a limit. Their points are rejected, too.
	Refused []error
}

// PushOTLP takes a request in the OpenTelemetry protocol. Each resource is a push
// that merges by series. One with delta temporality adds up, once for each body.
// received and err are as for Push; if err is not nil, no group was pushed, or the
// client should send all of it again.
func (in *Intake) PushOTLP(ctx context.Context, r Request, e otlp.Encoding) (out Exported, received int64, err error) {
	r.Settings, r.export = cmp.Or(r.Settings, in.usual), true
	options, err := in.translation(&r)
	if err != nil {
		return out, notRead, err
	}
	p, life, err := in.newPush(&r)
	if err != nil {
		return out, notRead, err
	}
	arrived := time.Now()
	body, err := in.bodies.read(ctx, &r)
	if err != nil {
		return out, notRead, err
	}
	defer body.Close()
	if err := gone(ctx, arrived); err != nil {
		return out, body.received, err
	}
	options.Take, p.Budget = body.Take, body
	resources, rejected, err := otlp.Translate(body.bytes, e, options)
	if err != nil {
		return out, body.received, hintedExport(&r, body.bytes, err)
	}
	out.Rejected = rejected
	r.once.ofExport(resources, body.bytes)
	return out, body.received, in.pushExport(ctx, &r, p, life, resources, &out)
}

// pushExport pushes what a request has of each resource. p is a push without a
// key.
func (in *Intake) pushExport(ctx context.Context, r *Request, p gateway.Push, life lifetime, resources []*otlp.Resource, out *Exported) error {
	named, err := in.named(r, resources, out)
	if err != nil {
		return err
	}
	exports, err := in.exportsOf(r, &p, named, out)
	if err != nil {
		return err
	}
	if _, err := in.admitAll(r, partsOf(exports)); err != nil {
		return err
	}
	var ends outcomes
	for tries := mostTries; len(exports) > 0; tries-- {
		var again []*export
		for i, err := range in.pushParts(ctx, r, p, life, partsOf(exports)) {
			switch x := exports[i]; {
			case tries > 1 && x.leaveOut(err, out):
				again = append(again, x)
			default:
				ends.add(x, err, out)
			}
		}
		exports = again
	}
	return ends.outcome(out)
}

// outcomes are what became of the groups of a request.
type outcomes struct {
	taken  int
	passes error // of a group that may take the same later
	reused []*export
	why    error // of the latest in reused
}

// add adds the outcome of a group.
func (e *outcomes) add(x *export, err error, out *Exported) {
	switch {
	case err == nil:
		e.taken++
		x.tellRejected(out)
	case mayPass(err):
		e.passes = err
	case errors.Is(err, gateway.ErrKeyReused):
		e.reused, e.why = append(e.reused, x), err
	default:
		out.refuse(x.left(), err)
	}
}

// outcome returns the error of the whole request. It is nil if a group has taken
// something: a client takes an error to mean that nothing was taken. After one that
// passes it sends all of it again, which harms nothing.
func (e *outcomes) outcome(out *Exported) error {
	switch {
	case e.passes != nil:
		return e.passes
	case e.taken == 0 && e.why != nil:
		return e.why
	}
	for _, x := range e.reused {
		out.refuse(x.left(), e.why)
	}
	if e.taken == 0 {
		return out.overLimit()
	}
	return nil
}

// refuse adds the error of a group or a family, and rejects its points.
func (e *Exported) refuse(points int, err error) {
	e.Refused = append(e.Refused, err)
	e.Rejected.Add(points, "%v", err)
}

// overLimit takes the first error about a limit that the configuration sets out of
// Refused. It returns nil if there is none.
func (e *Exported) overLimit() error {
	i := slices.IndexFunc(e.Refused, isOverLimit)
	if i < 0 {
		return nil
	}
	err := e.Refused[i]
	e.Refused = slices.Delete(e.Refused, i, i+1)
	return err
}

func isOverLimit(err error) bool {
	var limit *guard.LimitError
	return errors.As(err, &limit) && limit.At != ""
}

// mayPass reports whether the same push may be taken later.
func mayPass(err error) bool {
	return errors.Is(err, gateway.ErrUnavailable) || errors.Is(err, gateway.ErrGone) || errors.Is(err, exposition.ErrBusy)
}

// InstanceHeader leaves the instance out of the key of an export, like the parameter
// instance. Some SDKs send no parameters.
const InstanceHeader = "X-Pushgateway-Instance"

var instanceField = http.CanonicalHeaderKey(InstanceHeader)

// translation returns how to translate a request.
func (in *Intake) translation(r *Request) (otlp.Options, error) {
	o := in.config.OTLP
	o.Limits = r.Settings.Limits.Push
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return o, &ParameterError{err}
	}
	header, err := headerOf(r.Header, instanceField)
	if err != nil {
		return o, err
	}
	for _, asked := range append(query["instance"], header) {
		switch asked {
		case "":
		case "drop":
			o.DropInstance = true
		default:
			return o, &ParameterError{fmt.Errorf("instance must be instance=drop, and the header %s must be drop; correct it, or leave it out", InstanceHeader)}
		}
	}
	if merge := cmp.Or(query.Get("merge"), r.Header.Get(mergeField)); merge != "" && merge != "series" || r.Header.Get(gaugesField) != "" {
		return o, &ParameterError{fmt.Errorf("merge=sum and the headers %s and %s are not for OTLP, where the temporality of each metric says whether it adds up; leave them out", MergeHeader, GaugesHeader)}
	}
	return o, nil
}

// namedResource is a resource with the key of its group.
type namedResource struct {
	*otlp.Resource
	key grouping.Key
}

// named returns the resources whose keys are allowed, and rejects the others. If
// the client may not push to the group of one, the error says so, and nothing has
// happened to any group.
func (in *Intake) named(r *Request, resources []*otlp.Resource, out *Exported) (named []namedResource, err error) {
	if len(resources) > r.Settings.Limits.Body.Groups {
		return nil, tooManyGroups(&r.Settings.Limits.Body)
	}
	for _, res := range resources {
		key, err := in.keyOf(res, r)
		if err != nil {
			out.Rejected.Add(pointsIn(res), "%v", err)
			continue
		}
		if err := r.may(key); err != nil {
			return nil, err
		}
		if err := checkKey(&r.Settings.Limits, key); err != nil {
			out.refuse(pointsIn(res), err)
			continue
		}
		named = append(named, namedResource{res, key})
	}
	return named, nil
}

// keyOf returns the grouping key of a resource.
func (in *Intake) keyOf(res *otlp.Resource, r *Request) (grouping.Key, error) {
	keys := in.keys(r.Settings)
	for _, l := range res.Labels {
		if err := keys.CheckName(l.Name); err != nil {
			return "", err
		}
	}
	return grouping.NewKey(res.Job, res.Labels...)
}

func pointsIn(r *otlp.Resource) (n int) {
	for _, f := range r.Families {
		n += f.Points
	}
	return n
}
