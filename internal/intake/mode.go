package intake

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
	"pushgateway/internal/sums"
)

const (
	// MergeHeader says how a push merges, for clients that cannot set the parameter
	// merge.
	MergeHeader = "X-Pushgateway-Merge"
	// GaugesHeader says what a push that adds up does to gauges.
	GaugesHeader = "X-Pushgateway-Gauges"
)

// gaugesField is GaugesHeader, and mergeField MergeHeader, in the form that needs
// no conversion to be looked up.
var (
	mergeField  = http.CanonicalHeaderKey(MergeHeader)
	gaugesField = http.CanonicalHeaderKey(GaugesHeader)
)

// cutMode takes the label clearmode out of the key of a push whose series say by it
// what becomes of them. It holds for the series that do not have it.
func (r *Request) cutMode(key grouping.Key, p *gateway.Push) (grouping.Key, error) {
	if p.Gauges != sums.ByLabel {
		return key, nil
	}
	mode, ok := key.Value(sums.ClearMode)
	if !ok {
		return key, nil
	}
	var err error
	if p.Unlabeled, err = sums.ParseEffect(mode); err != nil {
		return key, &KeyError{fmt.Errorf("the path %w", err)}
	}
	labels := key.Labels()
	job, _ := key.Value(metric.JobLabel)
	left := slices.DeleteFunc(labels, func(l metric.Label) bool { return l.Name == sums.ClearMode || l.Name == metric.JobLabel })
	if key, err = grouping.NewKey(job, left...); err != nil {
		return key, &KeyError{err}
	}
	return key, r.may(key)
}

// modes are the values of the parameter merge.
var modes = map[string]gateway.Mode{"series": gateway.MergeSeries, "sum": gateway.Sum}

// modeOf returns the mode of a push, and what it does to gauges. parameter is the
// value of the parameter merge.
func modeOf(r *Request, parameter string) (gateway.Mode, sums.Gauges, error) {
	header, err := headerOf(r.Header, mergeField)
	if err != nil {
		return 0, 0, err
	}
	asked, err := headerOf(r.Header, gaugesField)
	if err != nil {
		return 0, 0, err
	}
	name, merge := "merge=", parameter
	switch {
	case header != "" && parameter == "":
		name, merge = MergeHeader+": ", header
	case header != "" && header != parameter:
		return 0, 0, &ParameterError{fmt.Errorf("the header %s says %q and the parameter merge says %q; use one of them", MergeHeader, excerpt.Of(header), excerpt.Of(parameter))}
	}
	mode := gateway.MergeFamilies
	if r.Replace {
		mode = gateway.Replace
	}
	if merge != "" {
		known := false
		switch mode, known = modes[merge]; {
		case !known:
			return 0, 0, &ParameterError{fmt.Errorf("%s%q must be series or sum", name, excerpt.Of(merge))}
		case r.Replace:
			return 0, 0, &ParameterError{fmt.Errorf("%s%s needs POST; PUT replaces the whole group", name, merge)}
		}
	}
	if asked != "" && mode != gateway.Sum {
		return 0, 0, &ParameterError{errors.New("the header " + GaugesHeader + " is for pushes that add up; add merge=sum, or leave it out")}
	}
	gauges, err := sums.ParseGauges(asked)
	if err != nil {
		return 0, 0, &ParameterError{fmt.Errorf("%s: %w", GaugesHeader, err)}
	}
	return mode, gauges, nil
}
