package exposition

import "pushgateway/internal/metric"

// LooksLikeOpenMetrics reports whether the text that was parsed last has series with
// names that only OpenMetrics gives them, next to the type of their family.
func (p *Parser) LooksLikeOpenMetrics() bool {
	all := p.families[:p.used]
	for i, f := range all {
		suffix := ""
		switch {
		case f.Type == metric.GaugeHistogram:
			suffix = "_gcount"
		case f.Type == metric.Counter && len(f.Series) == 0:
			suffix = "_total"
		default:
			continue
		}
		const near = 3
		for _, next := range all[i+1 : min(i+near, len(all))] {
			if next.Name == f.Name+suffix {
				return true
			}
		}
	}
	return false
}
