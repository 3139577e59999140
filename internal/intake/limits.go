package intake

import (
	"context"
	"fmt"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/live"
	"pushgateway/internal/metric"
)

// admit gives a push the key of its group. It refuses the push if that can be said
// before its body is read.
func (in *Intake) admit(r *Request, p *gateway.Push, life lifetime, key grouping.Key) error {
	r.address(p, part{key: key, rule: r.Settings.Rules.For(key)}, life)
	if err := checkKey(&r.Settings.Limits, key); err != nil {
		return err
	}
	if err := in.pace(r.Settings, part{key: key, rule: p.Rule}); err != nil {
		return err
	}
	return in.gateway.Admits(key, p.Quotas)
}

// pace refuses a request whose jobs push too often. A request counts once for each
// job, however many groups of it the body has.
func (in *Intake) pace(s *live.Settings, parts ...part) error {
	if len(s.Rules) == 0 {
		return nil
	}
	var rates []guard.Rate
	var of []paced
	known := make(map[string]bool)
	for _, p := range parts {
		if rate, at := s.Rate(p.rule, p.key); at != "" && !known[rate.Name] {
			known[rate.Name] = true
			rates, of = append(rates, rate), append(of, paced{p.key, at})
		}
	}
	if len(rates) == 0 {
		return nil
	}
	if over, wait, ok := in.rates.Take(time.Now(), rates...); !ok {
		return of[over].tooOften(rates[over].PerSecond, wait)
	}
	return nil
}

// paced is a group whose job has a rate.
type paced struct {
	key grouping.Key
	at  string // where that is set
}

func (p paced) tooOften(perSecond float64, wait time.Duration) error {
	job, _ := p.key.Value(metric.JobLabel)
	return &guard.LimitError{
		Limit: guard.LimitPushesPerSecond, At: p.at, Wait: wait,
		Says:   fmt.Sprintf("the job %q pushes more than %v times a second", excerpt.Of(job), perSecond),
		Advice: "push less often, or wait as long as Retry-After says",
	}
}

// checkKey checks the labels of a key against the limits of labels that the
// configuration sets. There are other bounds for all keys.
func checkKey(l *guard.Limits, key grouping.Key) error {
	if len(l.Sources) == 0 {
		return nil
	}
	labels := key.Labels()
	over := func(limit guard.Limit, is, most int) bool { return is > most && l.Sources[limit] != "" }
	switch n := len(labels); {
	case over(guard.LimitGroupingLabels, n, l.Key.Labels):
		return keyOver(guard.LimitGroupingLabels, l.Sources, key, fmt.Sprintf("%d labels", n), l.Key.Labels)
	case over(guard.LimitLabelsPerSeries, n, l.Push.LabelCount):
		return keyOver(guard.LimitLabelsPerSeries, l.Sources, key, fmt.Sprintf("%d labels", n), l.Push.LabelCount)
	}
	for _, label := range labels {
		switch name, value := len(label.Name), len(label.Value); {
		case over(guard.LimitLabelNameLength, name, l.Push.LabelName) && label.Name != metric.InstanceLabel:
			return keyOver(guard.LimitLabelNameLength, l.Sources, key, fmt.Sprintf("a label name of %d bytes, %q", name, excerpt.Of(label.Name)), l.Push.LabelName)
		case over(guard.LimitLabelValueLength, value, l.Push.Value):
			return keyOver(guard.LimitLabelValueLength, l.Sources, key, fmt.Sprintf("a value of %d bytes for its label %q", value, excerpt.Of(label.Name)), l.Push.Value)
		}
	}
	return nil
}

func keyOver(limit guard.Limit, set guard.Sources, key grouping.Key, has string, most int) error {
	return &guard.LimitError{
		Limit: limit, At: set[limit],
		Says:   fmt.Sprintf("the grouping key %s has %s, more than the limit of %d", key.Excerpt(), has, most),
		Advice: "shorten it",
	}
}

// brief is how long a push may take to arrive whose client does not wait for the
// answer. Some clients only send.
const brief = time.Second

// unlessGone returns a context that ends once gone returns an error. The caller calls
// end.
func unlessGone(ctx context.Context, arrived time.Time) (waits context.Context, end func()) {
	waits, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(time.Until(arrived.Add(brief)), cancel) })
	return waits, func() {
		stop()
		cancel()
	}
}

// gone returns an error if the client of a push has left while the push waited.
func gone(ctx context.Context, arrived time.Time) error {
	if ctx.Err() == nil || time.Since(arrived) < brief {
		return nil
	}
	return fmt.Errorf("%w: %w: %w", gateway.ErrUnavailable, gateway.ErrGone, ctx.Err())
}
