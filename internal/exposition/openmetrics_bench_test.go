package exposition

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkOpenMetrics compares reading OpenMetrics with reading text.
func BenchmarkOpenMetrics(b *testing.B) {
	text, created := new(strings.Builder), new(strings.Builder)
	for f := range 8 {
		fmt.Fprintf(text, "# HELP etl_%d_total Records.\n# TYPE etl_%d_total counter\n", f, f)
		fmt.Fprintf(created, "# HELP etl_%d Records.\n# TYPE etl_%d counter\n", f, f)
		for i := range 11 {
			line := fmt.Sprintf("etl_%d_total{stage=\"extract\",shard=\"%d\"} %d\n", f, i, i*f)
			text.WriteString(line)
			created.WriteString(line + fmt.Sprintf("etl_%d_created{stage=\"extract\",shard=\"%d\"} 1600000000.5\n", f, i))
		}
	}
	open := strings.ReplaceAll(text.String(), "_total Records", " Records")
	open = strings.ReplaceAll(open, "_total counter", " counter") + "# EOF\n"
	for name, parse := range map[string]func(*Parser) error{
		"text":    func(p *Parser) error { _, err := p.ParseText([]byte(text.String())); return err },
		"same":    func(p *Parser) error { _, err := p.ParseOpenMetrics([]byte(open)); return err },
		"created": func(p *Parser) error { _, err := p.ParseOpenMetrics([]byte(created.String() + "# EOF\n")); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p := GetParser()
				if err := parse(p); err != nil {
					b.Fatal(err)
				}
				p.Release()
			}
		})
	}
}
