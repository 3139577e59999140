package scrape

import (
	"bytes"
	"runtime"
	"sync/atomic"
	"testing"

	"pushgateway/internal/compression"
	"pushgateway/internal/exposition"
)

// busyPacker is a packer that notes how many pieces it makes at once.
type busyPacker struct {
	compression.Packer
	now, most atomic.Int64
}

func (c *busyPacker) Compress(content, before []byte) (*compression.Piece, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	runtime.Gosched() // so that others begin meanwhile
	return c.Packer.Compress(content, before)
}

// TestGivesWay scrapes while a push is in progress: scrapes say the same, and
// compress one piece after the other, however many processors there are.
func TestGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	format := exposition.Format{Syntax: exposition.Text}
	var told [2]bytes.Buffer
	var most [2]int64
	v := newChanging(t, 1, 2000).gateway.View()
	for i, busy := range []bool{false, true} {
		s := New(nil, nil)
		s.Busy = func() bool { return busy }
		_, z := compression.Pack([]string{"gzip"}, &told[i])
		c := &busyPacker{Packer: z}
		if _, err := s.Pushed(c, v, format); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		most[i] = c.most.Load()
	}
	if most[0] < 2 || most[1] != 1 {
		t.Errorf("pieces at once: %d without pushes, %d beside them; want several and 1", most[0], most[1])
	}
	alone, beside := unpackedAll(t, "gzip", told[0].Bytes()), unpackedAll(t, "gzip", told[1].Bytes())
	if len(alone) == 0 || !bytes.Equal(alone, beside) {
		t.Errorf("a scrape beside pushes has %d bytes, and %d without them; want the same bytes", len(beside), len(alone))
	}
}
