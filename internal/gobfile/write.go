package gobfile

import (
	"encoding/gob"
	"fmt"
	"io"
	"iter"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// The types of the file. The names of the fields are part of the format.
type (
	storedGroups map[grouping.Key]storedGroup

	storedGroup struct {
		Labels  map[string]string
		Metrics map[string]storedFamily
	}

	storedFamily struct {
		Timestamp            time.Time
		GobbableMetricFamily *family
	}

	family struct {
		block *exposition.Block
		took  bool // see gateway.Held
	}
)

// fieldTook is a field of our own in a MetricFamily, which others skip. 1 means
// that the group took the name; see gateway.Held.
const fieldTook = 1001

// GobEncode encodes the family as a protobuf message.
func (f *family) GobEncode() ([]byte, error) {
	head := &dto.MetricFamily{Name: &f.block.Name, Type: dto.MetricType(f.block.Type).Enum()}
	if f.block.HasHelp() {
		head.Help = &f.block.Help
	}
	if f.block.Unit != "" {
		head.Unit = &f.block.Unit
	}
	b, err := proto.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("family %q: %w", excerpt.Of(f.block.Name), err)
	}
	if f.took {
		b = protowire.AppendTag(b, fieldTook, protowire.VarintType)
		b = protowire.AppendVarint(b, 1)
	}
	return f.block.AppendProto(b), nil
}

// Write writes groups with different keys as a file that Pushgateway 1.11
// reads. 1.5 reads it too, except for native histograms, gauge histograms, and
// names that are not legacy names. The file is built in memory before the first
// byte is written.
//
// The Timestamp of a time family is the exact time that its value stands for,
// so that reading the file gives exact times. If there is none, it is that of
// the other time family, as in 1.11.
func Write(w io.Writer, groups iter.Seq[*gateway.Group]) error {
	return WriteWith(w, groups, func(func(gateway.Receipt) bool) {})
}

// WriteWith is Write with receipts, which follow what Pushgateway reads.
func WriteWith(w io.Writer, groups iter.Seq[*gateway.Group], receipts iter.Seq[gateway.Receipt]) error {
	all := make(storedGroups)
	for g := range groups {
		all[g.Key] = store(g)
	}
	to := gob.NewEncoder(w)
	err := to.Encode(all)
	if err == nil {
		err = writeReceipts(to, receipts)
	}
	if err != nil {
		return fmt.Errorf("writing a persistence file of %d groups: %w", len(all), err)
	}
	return nil
}

func store(g *gateway.Group) storedGroup {
	s := storedGroup{Labels: make(map[string]string), Metrics: make(map[string]storedFamily, len(g.Families)+2)}
	for _, l := range g.Key.Labels() {
		s.Labels[l.Name] = l.Value
	}
	s.add(g.PushTime(), either(g.Pushed, g.Failed), false)
	s.add(g.FailureTime(), either(g.Failed, g.Pushed), false)
	for _, h := range g.Families {
		s.add(h.Block, h.Pushed, h.Took)
	}
	return s
}

// add stores the time as UTC: 1.5 cannot read the encoding of some other zones.
func (s storedGroup) add(b *exposition.Block, at time.Time, took bool) {
	s.Metrics[b.Name] = storedFamily{at.UTC(), &family{b, took}}
}

// either returns the first of two times that is not zero.
func either(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}
