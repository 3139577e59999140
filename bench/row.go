package main

import (
	"context"
	"fmt"
	"strings"
)

// row is a line of the table. A figure that was not measured is 0.
type row struct {
	what                   string
	unit                   unit
	gateway, ceiling, peer float64
	goals                  []goal
}

// goal is what the design wants of a row.
type goal struct {
	text    string
	known   bool // what it compares with was measured
	reached bool
}

// atLeast and atMost compare a figure with a multiple of another one.
func atLeast(text string, figure, times, other float64) goal {
	return goal{text: text, known: figure > 0 && other > 0, reached: figure >= times*other}
}

func atMost(text string, figure, times, other float64) goal {
	return goal{text: text, known: figure > 0 && other > 0, reached: figure <= times*other}
}

// within compares a figure with a fixed one.
func within(text string, figure, bound float64) goal { return atMost(text, figure, 1, bound) }

// target says what the row must reach.
func (r row) target() string {
	var texts []string
	for _, g := range r.goals {
		texts = append(texts, g.text)
	}
	return strings.Join(texts, "; ")
}

// verdict says whether it does, as far as that is known.
func (r row) verdict() string {
	known := 0
	for _, g := range r.goals {
		if g.known && !g.reached {
			return "no"
		}
		if g.known {
			known++
		}
	}
	if known == 0 {
		return ""
	}
	return "yes"
}

// cells are the row as the table shows it, in the order of columns.
func (r row) cells() []string {
	return []string{
		r.what,
		r.unit.format(r.gateway),
		r.unit.format(r.ceiling),
		r.unit.format(r.peer),
		ratio(r.gateway, r.ceiling),
		ratio(r.gateway, r.peer),
		r.target(),
		r.verdict(),
	}
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return ""
	}
	return factor.format(a / b)
}

// unit is how a figure is written.
type unit int

const (
	perSecond unit = iota
	milliseconds
	microseconds
	bytesEach
	megabytes
	part
	factor
)

func (u unit) format(v float64) string {
	switch {
	case v == 0:
		return ""
	case u == perSecond:
		return digits(v) + "/s"
	case u == milliseconds:
		return digits(v) + " ms"
	case u == microseconds:
		return digits(v) + " µs"
	case u == bytesEach:
		return digits(v) + " B"
	case u == megabytes:
		return fmt.Sprintf("%.2f MB", v)
	case u == part:
		return fmt.Sprintf("%.0f %%", 100*v)
	default:
		return "×" + digits(v)
	}
}

// digits writes about three digits, and separates thousands.
func digits(v float64) string {
	switch {
	case v >= 100:
		return thousands(fmt.Sprintf("%.0f", v))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func thousands(s string) string {
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// measurement measures one or more rows. It starts what it needs and stops it
// again.
type measurement struct {
	name string
	run  func(*bench, context.Context) ([]row, error)
}

// measurements are in the order of the table.
var measurements = []measurement{
	{"push", (*bench).measurePush},
	{"push-unchecked", (*bench).measureUncheckedPush},
	{"formats", (*bench).measureFormats},
	{"growth", (*bench).measureGrowth},
	{"cold", (*bench).measureCold},
	{"warm", (*bench).measureWarm},
	{"latency", (*bench).measureLatency},
	{"victoria", (*bench).measureVictoria},
	{"durable", (*bench).measureDurable},
	{"durable-sync", (*bench).measureDurableSync},
	{"cluster", (*bench).measureCluster},
	{"cluster-sync", (*bench).measureClusterSync},
	{"cluster-cpu", (*bench).measureClusterCPU},
	{"cluster-scrapes", (*bench).measureClusterScrapes},
	{"sums", (*bench).measureSums},
	{"scrape-text", (*bench).measureTextScrape},
	{"scrape-gzip", (*bench).measureGzipScrape},
	{"scrape-protobuf", (*bench).measureProtobufScrape},
	{"changed-gzip", (*bench).measureChangedGzip},
	{"changed-zstd", (*bench).measureChangedZstd},
	{"changed-protobuf", (*bench).measureChangedProtobuf},
	{"abuse", (*bench).measureAbuse},
	{"memory", (*bench).measureMemory},
	{"user-memory", (*bench).measureUserMemory},
	{"groups", (*bench).measureGroups},
	{"pages", (*bench).measurePages},
	{"deadlines", (*bench).measureDeadlines},
	{"expiry", (*bench).measureExpiry},
	{"wipe", (*bench).measureWipe},
	{"deleting", (*bench).measureDeleting},
	{"start", (*bench).measureStart},
	{"replay", (*bench).measureReplay},
	{"record", (*bench).measureRecord},
	{"run", (*bench).measureRun},
	{"binary", (*bench).measureBinary},
}

// rowNames are what -run can select.
func rowNames() string {
	var names []string
	for _, m := range measurements {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

// inWords writes a number of series as the design does.
func inWords(series int) string {
	switch {
	case series%1_000_000 == 0:
		return fmt.Sprintf("%dM", series/1_000_000)
	case series%1000 == 0:
		return fmt.Sprintf("%dk", series/1000)
	default:
		return fmt.Sprint(series)
	}
}
