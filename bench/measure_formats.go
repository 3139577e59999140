package main

import (
	"context"
	"strings"
)

// measureFormats measures pushes of the reference load in other formats than
// text, each into a gateway of its own.
func (b *bench) measureFormats(ctx context.Context) ([]row, error) {
	text := b.middle()
	loads := []*load{text, openMetrics(text, false), openMetrics(text, true), otlp(text)}
	var turns []func() (float64, error)
	for _, l := range loads {
		gateway, err := b.startGateway(ctx, l)
		if err != nil {
			return nil, err
		}
		defer gateway.stop()
		gateway.web = true
		turns = append(turns, b.turn(gateway))
	}
	rates, err := contest(b.rounds, turns...)
	if err != nil {
		return nil, err
	}
	return formatRows(rates), nil
}

func formatRows(rates []float64) []row {
	rows := []row{
		{what: "pushes/s of text, beside the next three", unit: perSecond, gateway: rates[0]},
		{what: "pushes/s of OpenMetrics", unit: perSecond, gateway: rates[1]},
		{what: "the same, with start times", unit: perSecond, gateway: rates[2]},
		{what: "pushes/s of OTLP in protobuf, with start times", unit: perSecond, gateway: rates[3]},
	}
	rows[1].goals = []goal{atLeast("half of text", rates[1], 0.5, rates[0])}
	return rows
}

// openMetrics returns a load in OpenMetrics. With start times, each counter and
// histogram has one.
func openMetrics(l *load, startTimes bool) *load {
	open := *l
	open.contentType = "application/openmetrics-text; version=1.0.0"
	open.bodies = nil
	for _, body := range l.bodies {
		open.bodies = append(open.bodies, inOpenMetrics(body, startTimes))
	}
	return &open
}

func inOpenMetrics(body string, startTimes bool) string {
	var b strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#") {
			line = strings.Replace(line, "_total ", " ", 1)
		}
		b.WriteString(line)
		name, labels, _ := strings.Cut(line[:strings.LastIndexByte(line, ' ')], "{")
		base, isCounter := strings.CutSuffix(name, "_total")
		if !isCounter {
			base, isCounter = strings.CutSuffix(name, "_count")
		}
		if startTimes && isCounter && line[0] != '#' {
			b.WriteString(base + "_created{" + labels + " 1760000000.125\n")
		}
	}
	return b.String() + "# EOF\n"
}
