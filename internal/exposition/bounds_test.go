package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/metric"
)

// delimited makes a body of one family with one metric.
func delimited(t dto.MetricType, m []byte) []byte {
	f := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "m")
	f = protowire.AppendVarint(protowire.AppendTag(f, 3, protowire.VarintType), uint64(t))
	f = protowire.AppendBytes(protowire.AppendTag(f, 4, protowire.BytesType), m)
	return protowire.AppendBytes(nil, f)
}

// usual are the bounds of a push where nobody has set others.
var usual = Limits{}.withDefaults()

// TestBombs pushes bodies of a few bytes for each thing that takes memory.
func TestBombs(t *testing.T) {
	histogram := func(part string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, 7, protowire.BytesType), strings.Repeat(part, usual.Parts+1))
	}
	for name, body := range map[string][]byte{
		"labels":         delimited(dto.MetricType_GAUGE, bytes.Repeat([]byte{0x0a, 0}, usual.Parts)),
		"buckets":        delimited(dto.MetricType_HISTOGRAM, histogram("\x1a\x00")),
		"exemplars":      delimited(dto.MetricType_HISTOGRAM, histogram("\x82\x01\x00")),
		"spans":          delimited(dto.MetricType_HISTOGRAM, histogram("\x62\x00")),
		"ignored values": delimited(dto.MetricType_GAUGE, histogram("\x1a\x00")),
	} {
		p := (&Parser{byName: make(map[string]*family)}).Within(Limits{}, nil)
		if _, err := p.ParseProto(body); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v, want an error about its size", name, err)
		}
		if cap(p.labels) > 2*usual.LabelCount {
			t.Errorf("%s: the parser made room for %d labels before it refused them", name, cap(p.labels))
		}
	}
}

// TestTextLabels pushes one series with more labels than are allowed.
func TestTextLabels(t *testing.T) {
	var text strings.Builder
	text.WriteString("m{")
	for i := range usual.LabelCount + 1 {
		fmt.Fprintf(&text, `a%d="",`, i)
	}
	text.WriteString("} 1\n")
	p := GetParser()
	defer p.Release()
	if _, err := p.ParseText([]byte(text.String())); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want an error about its size", err)
	}
}

// TestErrorsOutliveTheBody makes sure that a message shows nothing of what the
// memory of the body is used for next.
func TestErrorsOutliveTheBody(t *testing.T) {
	body := []byte("name_of_mine{__x=\"1\"} 1\n")
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText(body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Render(families, Options{Valid: true})
	if err == nil {
		t.Fatal("a reserved label name was taken")
	}
	before := err.Error()
	copy(body, "SECRET_OF_SOMEBODY_ELSE")
	if after := err.Error(); after != before {
		t.Errorf("the message was %q, and is %q now", before, after)
	}
}

// TestStoredBeyondBounds reads back what was within the bounds of a push
// before grouping labels came into it.
func TestStoredBeyondBounds(t *testing.T) {
	f := &metric.Family{Name: "m", Type: metric.Gauge, Series: []metric.Series{{Value: 1}}}
	var grouping []metric.Label
	for i := range usual.LabelCount {
		name := string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		f.Series[0].Labels = append(f.Series[0].Labels, metric.Label{Name: name, Value: "1"})
		grouping = append(grouping, metric.Label{Name: "g" + name, Value: "2"})
	}
	blocks, err := Render([]*metric.Family{f}, Options{Grouping: grouping})
	if err != nil {
		t.Fatal(err)
	}
	b, err := readStored(blocks[0].AppendStored(nil), blocks[0].StoredText())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Text(), blocks[0].Text()) || !bytes.Equal(b.Proto(), blocks[0].Proto()) {
		t.Error("the block has changed")
	}
}

// TestPassingBlocksAreNotKept scrapes families that are made anew each time.
func TestPassingBlocksAreNotKept(t *testing.T) {
	cache := NewCache(1 << 20)
	f := ExposeBlock(RenderGauge("m", "Help.", nil, 1))
	f.Passing = true
	e := NewEncoder(new(bytes.Buffer), Format{OpenMetrics1, metric.UTF8}, cache)
	if err := e.Encode(f); err != nil {
		t.Fatal(err)
	}
	if cache.bytes != 0 || len(cache.entries) != 0 {
		t.Errorf("the cache holds %d bytes in %d entries", cache.bytes, len(cache.entries))
	}
}

// TestContradictions leaves histograms that contradict themselves out of
// delimited protobuf, and nothing else.
func TestContradictions(t *testing.T) {
	body := `# TYPE h histogram
h_bucket{a="1",le="1"} 5
h_count{a="1"} 1
h_bucket{a="2",le="1"} 1
h_bucket{a="2",le="+Inf"} 2
h_count{a="2"} 2
# TYPE only histogram
only_bucket{le="1"} 5
only_count 1
# TYPE z gauge
z 1
`
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(families, Options{Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	checkReadable(t, blocks)
	for _, f := range []Format{{Protobuf, metric.UTF8}, {Protobuf, metric.Underscores}, {Text, metric.UTF8}} {
		var out bytes.Buffer
		e := NewEncoder(&out, f, nil)
		for _, b := range blocks {
			if err := e.Encode(ExposeBlock(b)); err != nil {
				t.Fatal(err)
			}
		}
		wantDropped, wantOnly := 2, false
		if f.Syntax == Text {
			wantDropped, wantOnly = 0, true
		}
		if e.Dropped != wantDropped || bytes.Contains(out.Bytes(), []byte("only")) != wantOnly {
			t.Errorf("%s in escaping %s: %d series were left out, want %d\n%q", f.Syntax, f.Escaping, e.Dropped, wantDropped, out.Bytes())
		}
	}
}
