package intake

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
	"pushgateway/internal/otlp"
)

// Exported is what became of a request in the OpenTelemetry protocol.
type Exported struct {
	// Rejected are the points that were not taken.
	Rejected otlp.Rejected
	// Refused are the errors of groups that were refused as a whole, as those of
	// Gateway.Push. Their points are rejected, too.
	Refused []error
}

// PushOTLP takes a request in the OpenTelemetry protocol. Each resource is a push
// that merges by series. received and err are as for Push; if err is not nil, no
// group was pushed, or the client should send all of it again.
func (in *Intake) PushOTLP(ctx context.Context, r Request, e otlp.Encoding) (out Exported, received int64, err error) {
	r.Settings = cmp.Or(r.Settings, in.usual)
	p, life, err := in.newPush(&r)
	if err != nil {
		return out, notRead, err
	}
	options, err := in.translation(&r)
	if err != nil {
		return out, notRead, err
	}
	arrived := time.Now()
	body, err := in.bodies.read(&r)
	if err != nil {
		return out, notRead, err
	}
	defer body.Close()
	if err := gone(ctx, arrived); err != nil {
		return out, body.received, err
	}
	options.Take = body.Take
	p.Budget, p.Mode = body, gateway.MergeSeries
	resources, rejected, err := otlp.Translate(body.bytes, e, options)
	if err != nil {
		return out, body.received, err
	}
	if err := in.mayAll(&r, resources); err != nil {
		return out, body.received, err
	}
	out.Rejected = rejected
	parts, points, err := in.partsOf(&r, body, resources, &out.Rejected)
	if err != nil {
		return out, body.received, err
	}
	if err := in.pace(r.Settings, parts...); err != nil {
		return out, body.received, err
	}
	for i, err := range in.pushParts(ctx, &r, p, life, parts) {
		if err != nil && mayPass(err) {
			return out, body.received, err
		}
		if err != nil {
			out.Refused = append(out.Refused, err)
			out.Rejected.Add(points[i], "%v", err)
		}
	}
	return out, body.received, nil
}

// mayPass reports whether the same push may be taken later.
func mayPass(err error) bool {
	return errors.Is(err, gateway.ErrUnavailable) || errors.Is(err, gateway.ErrGone) || errors.Is(err, exposition.ErrBusy)
}

// translation returns how to translate a request.
func (in *Intake) translation(r *Request) (otlp.Options, error) {
	o := in.config.OTLP
	o.Limits = r.Settings.Limits.Push
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return o, &ParameterError{err}
	}
	switch instance := query.Get("instance"); instance {
	case "":
	case "drop":
		o.DropInstance = true
	default:
		return o, &ParameterError{errors.New("instance must be instance=drop, or not be there")}
	}
	return o, nil
}

// mayAll returns why the client may not push to one of the groups of resources.
// Then it pushes to none of them.
func (in *Intake) mayAll(r *Request, resources []*otlp.Resource) error {
	if r.May == nil {
		return nil
	}
	for _, res := range resources {
		key, err := in.keyOf(res, r)
		if err != nil {
			continue // such a resource is rejected
		}
		if err := r.may(key); err != nil {
			return err
		}
	}
	return nil
}

// partsOf renders resources. It returns how many points each part has. A family
// that cannot be rendered is rejected alone.
func (in *Intake) partsOf(r *Request, body *body, resources []*otlp.Resource, rejected *otlp.Rejected) (parts []part, points []int, err error) {
	c := content{format: format{valid: true}, budget: body, limits: &r.Settings.Limits}
	left := maxBlocks(c.limits.Body)
	for _, res := range resources {
		key, err := in.keyOf(res, r)
		if err != nil {
			rejected.Add(pointsIn(res), "%v", err)
			continue
		}
		part := part{key: key, rule: r.Settings.Rules.For(key)}
		sum := 0
		for _, f := range res.Families {
			blocks, err := in.renderOne(f, in.rendering(key, c, max(left, 1)))
			switch {
			case err == nil:
			case isVerdict(err):
				rejected.Add(f.Points, "%v", err)
				in.gateway.Refuse(key, r.Client, err)
				continue
			default:
				return nil, nil, err
			}
			for _, b := range blocks {
				left -= b.Size()
			}
			part.blocks, sum = append(part.blocks, blocks...), sum+f.Points
		}
		if len(part.blocks) > 0 {
			parts, points = append(parts, part), append(points, sum)
		}
	}
	return parts, points, nil
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

// renderOne renders a family, unless it has no series, or is one that the gateway
// makes itself.
func (in *Intake) renderOne(f *otlp.Family, o exposition.Options) ([]*exposition.Block, error) {
	if len(f.Series) == 0 || isIgnored(&f.Family) {
		return nil, nil
	}
	return in.render([]*metric.Family{&f.Family}, o)
}

func pointsIn(r *otlp.Resource) (n int) {
	for _, f := range r.Families {
		n += f.Points
	}
	return n
}
