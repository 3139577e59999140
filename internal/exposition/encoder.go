package exposition

import (
	"io"
	"iter"

	"pushgateway/internal/metric"
)

// Exposed is a family as a scrape gets it.
type Exposed struct {
	Name, Help string
	Unit       string // "" if unknown
	EmptyHelp  bool   // as in metric.Family
	Type       metric.Type
	Series     int
	NotLegacy  int // blocks with names that escaping changes
	ProtoSize  int // size of all blocks in delimited protobuf, in bytes
	Blocks     iter.Seq[*Block]
	// Passing means that the blocks were made for one scrape, so nothing should
	// be kept for the next.
	Passing bool
	// Untimed means that OpenMetrics shows no start times, whose lines would have
	// the name of another family.
	Untimed bool
}

// ExposeBlock makes a family from a single block.
func ExposeBlock(b *Block) Exposed {
	f := Exposed{Name: b.Name, Help: b.Help, Unit: b.Unit, EmptyHelp: b.EmptyHelp, Type: b.Type, Series: b.Series(), ProtoSize: b.DelimitedSize()}
	if !b.Legacy {
		f.NotLegacy = 1
	}
	f.Blocks = func(yield func(*Block) bool) { yield(b) }
	return f
}

func (f Exposed) hasHelp() bool { return f.Help != "" || f.EmptyHelp }

// Encoder writes families in one format, one after the other. It is not safe
// for concurrent use.
type Encoder struct {
	w      io.Writer
	format Format
	cache  *Cache
	joiner *joiner // nil if Join was not called, or pieces are written
	pieces *piecer // nil if Join was not called, or nothing is compressed
	head   []byte
	reader plainReader
	made   []byte // a piece of protobuf
	at     int    // bytes of blocks so far, if Join was called
	keeps  int    // so many of them are kept in protobuf
	// fetched makes the compiler read what writeBatch is about to copy.
	fetched byte
	// Dropped counts labels and series left out because they are equal to others
	// in this escaping, and histograms left out because they contradict
	// themselves.
	Dropped int
}

// NewEncoder returns an encoder that writes to w and keeps what it had to
// render in cache, which may be nil.
func NewEncoder(w io.Writer, f Format, cache *Cache) *Encoder {
	return &Encoder{w: w, format: f, cache: cache}
}

// Join makes the encoder write what earlier scrapes left in runs in larger
// pieces, compressed ones if it writes to a PieceWriter, and leave its own
// there when it is closed, unless Abandon comes first. Use it for encoders that write all families. Formats
// that do not copy stored blocks have no runs, and do not touch those of others.
func (e *Encoder) Join(r *Runs) {
	if e.format.Syntax != Text && e.format.Syntax != Protobuf {
		return
	}
	e.keeps = r.maxMade
	if to, ok := e.w.(PieceWriter); ok {
		e.pieces = r.packed.begin(pieceKey{e.format.Syntax, to.Coding()}, to)
		e.pieces.sizeOf = e.format.sizeOf
		return
	}
	e.joiner = r.joiner(e.format)
}

// Encode writes one family. It leaves out a family without series.
func (e *Encoder) Encode(f Exposed) error {
	if f.Series == 0 {
		return nil
	}
	switch e.format.Syntax {
	case Protobuf:
		return e.encodeProto(f)
	case ProtobufText, ProtobufCompact:
		return e.encodeReadable(f)
	}
	e.head = e.appendHead(e.head[:0], f)
	if _, err := e.w.Write(e.head); err != nil {
		return err
	}
	if e.format.isOpenMetrics() || e.format.Escaping != metric.UTF8 && f.NotLegacy > 0 {
		for content := range e.contents(f, (*Block).Text) {
			if _, err := e.w.Write(content); err != nil {
				return err
			}
		}
		return nil
	}
	return e.writeAsStored(f, (*Block).Text)
}

// writeAsStored copies the content of blocks. own returns nil if it must be made;
// see writeContent.
func (e *Encoder) writeAsStored(f Exposed, own func(*Block) []byte) error {
	switch {
	case f.Passing:
	case e.pieces != nil:
		return e.pieces.writePieces(f.Blocks, e, own)
	case e.joiner != nil:
		return e.writeRuns(f.Blocks, own)
	}
	for b := range f.Blocks {
		if err := e.writeContent(b, own(b)); err != nil {
			return err
		}
	}
	return nil
}

// ahead is how many blocks are prefetched before they are copied.
const ahead = 32

// writeBatch writes at most ahead blocks, and returns their size. They are
// scattered over the memory, and waiting for each takes longer than copying it,
// so it requests all of them at once, one cache line after the other.
func (e *Encoder) writeBatch(blocks []*Block, own func(*Block) []byte) (size int, err error) {
	var contents [ahead][]byte
	for i, b := range blocks {
		contents[i] = own(b)
		size += e.format.sizeOf(b)
		e.at += e.format.sizeOf(b)
	}
	const line = 64 // bytes of a cache line
	for i, b := range blocks {
		c := contents[i]
		if c == nil {
			c = b.text
		}
		for at := 0; at < len(c); at += line {
			e.fetched += c[at]
		}
	}
	for i, b := range blocks {
		if err := e.writeContent(b, contents[i]); err != nil {
			return 0, err
		}
	}
	return size, nil
}

// Close writes the end of the exposition.
func (e *Encoder) Close() error {
	switch {
	case e.pieces != nil:
		e.pieces.publish()
	case e.joiner != nil:
		e.joiner.publish()
	}
	if !e.format.isOpenMetrics() {
		return nil
	}
	_, err := io.WriteString(e.w, openMetricsEnd)
	return err
}

// Abandon forgets what Close would have left for other scrapes. It does nothing
// after Close.
func (e *Encoder) Abandon() {
	if e.pieces != nil {
		e.pieces.abandon()
	}
}

// LineNames returns the names of a family's lines in the format.
func (f Format) LineNames(name string, t metric.Type) []string {
	name = metric.EscapeName(name, f.Escaping)
	names := []string{name}
	if f.isOpenMetrics() && t == metric.Counter {
		name = openMetricsName(name, t)
		names = []string{name, name + totalSuffix}
	}
	for _, suffix := range t.Suffixes() {
		names = append(names, name+suffix)
	}
	if f.isOpenMetrics() && t == metric.GaugeHistogram {
		names = append(names, name+gaugeCountSuffix, name+gaugeSumSuffix)
	}
	return names
}

// CreatedName returns the name of the lines with the start times of a family in
// the format, or "" if the format has no such lines.
func (f Format) CreatedName(name string, t metric.Type) string {
	if !f.isOpenMetrics() || t != metric.Counter && t != metric.Summary && t != metric.Histogram {
		return ""
	}
	return openMetricsName(metric.EscapeName(name, f.Escaping), t) + createdSuffix
}

// Renames reports whether the format gives a family another name.
func (f Format) Renames(name string, t metric.Type) bool {
	return f.isOpenMetrics() || metric.EscapeName(name, f.Escaping) != name
}

// Moves reports whether lines of a family have names in the format that they do
// not have as pushed.
func (f Format) Moves(name string, t metric.Type) bool {
	if f.isOpenMetrics() && (t == metric.Counter || t == metric.GaugeHistogram) {
		return true
	}
	return metric.EscapeName(name, f.Escaping) != name
}

func (e *Encoder) appendHead(b []byte, f Exposed) []byte {
	name, typ, quotes := metric.EscapeName(f.Name, e.format.Escaping), f.Type.String(), false
	switch {
	case e.format.isOpenMetrics():
		name, typ, quotes = openMetricsName(name, f.Type), openMetricsTypeName(f.Type), true
	case f.Type == metric.GaugeHistogram:
		typ = metric.Histogram.String() // the text format has no other
	}
	legacy := metric.IsLegacyName(name)
	if f.hasHelp() {
		b = append(b, "# HELP "...)
		b = append(appendName(b, name, legacy), ' ')
		b = append(appendEscaped(b, f.Help, quotes), '\n')
	}
	b = append(b, "# TYPE "...)
	b = append(appendName(b, name, legacy), ' ')
	b = append(append(b, typ...), '\n')
	if !e.format.isOpenMetrics() || !showsUnit(name, f.Unit) {
		return b
	}
	b = append(b, "# UNIT "...)
	b = append(appendName(b, name, legacy), ' ')
	return append(append(b, f.Unit...), '\n')
}

// contents yields the content of each block in the format. If names change, it
// renders the blocks again and leaves out series that have become equal to
// those of another block.
func (e *Encoder) contents(f Exposed, own func(*Block) []byte) iter.Seq[[]byte] {
	escapes := e.format.Escaping != metric.UTF8 && f.NotLegacy > 0
	return func(yield func([]byte) bool) {
		var seen map[uint64]struct{}
		if escapes {
			seen = make(map[uint64]struct{}, f.Series)
		}
		for b := range f.Blocks {
			var more bool
			switch anew := escapes || e.format.isOpenMetrics(); {
			case anew && b.Size() > largeBlock:
				more = e.eachPiece(b, f, seen, yield)
			case anew:
				more = yield(e.variant(b, f, seen).content)
			default:
				if content := own(b); content != nil {
					more = yield(content)
				} else {
					more = e.eachMade(b, yield)
				}
			}
			if !more {
				return
			}
		}
	}
}

// largeBlock is the size, in bytes, beyond which a block is rendered again for
// each scrape, in pieces.
const largeBlock = 8 << 20

// shape returns how a family is rendered.
func (e *Encoder) shape(f Exposed) shape { return shape{e.format, f.Untimed} }

func (e *Encoder) eachPiece(b *Block, f Exposed, seen map[uint64]struct{}, yield func([]byte) bool) (more bool) {
	dropped, more := eachVariantPiece(b, e.shape(f), metric.EscapeName(f.Name, e.format.Escaping), seen, yield)
	e.Dropped += dropped
	return more
}

// variant returns a block in the encoder's format, and adds its label sets to
// seen unless that is nil.
func (e *Encoder) variant(b *Block, f Exposed, seen map[uint64]struct{}) *variant {
	name := metric.EscapeName(f.Name, e.format.Escaping)
	cache := e.cache
	if f.Passing {
		cache = nil
	}
	shape := e.shape(f)
	v := cache.get(b, shape)
	if v == nil {
		v = makeVariant(b, shape, name, nil)
		cache.put(b, shape, v)
	}
	for _, hash := range v.hashes {
		if _, twice := seen[hash]; twice {
			v = makeVariant(b, shape, name, seen)
			break
		}
	}
	if seen != nil {
		for _, hash := range v.hashes {
			seen[hash] = struct{}{}
		}
	}
	e.Dropped += v.dropped
	return v
}

func (e *Encoder) encodeProto(f Exposed) error {
	name := metric.EscapeName(f.Name, e.format.Escaping)
	if e.format.Escaping != metric.UTF8 && f.NotLegacy > 0 {
		return e.encodeEscaped(name, f)
	}
	if f.Type.IsHistogram() { // no other series can be left out
		for b := range f.Blocks {
			e.Dropped += b.leftOut()
		}
	}
	if f.ProtoSize == 0 {
		return nil
	}
	e.head = appendFamily(e.head[:0], name, f.Help, f.hasHelp(), f.Unit, f.Type, f.ProtoSize)
	if _, err := e.w.Write(e.head); err != nil {
		return err
	}
	return e.writeAsStored(f, e.delimited)
}

// encodeEscaped writes a message whose size is only known once all blocks are
// rendered again. It renders large blocks twice rather than keep them.
func (e *Encoder) encodeEscaped(name string, f Exposed) error {
	const kept = 1 << 20 // bytes
	var all []byte
	size := 0
	for content := range e.contents(f, e.protobuf) {
		if size += len(content); size <= kept {
			all = append(all, content...)
		}
	}
	if size == 0 {
		return nil
	}
	e.head = appendFamily(e.head[:0], name, f.Help, f.hasHelp(), f.Unit, f.Type, size)
	if _, err := e.w.Write(e.head); err != nil {
		return err
	}
	if size <= kept {
		_, err := e.w.Write(all)
		return err
	}
	defer func(dropped int) { e.Dropped = dropped }(e.Dropped) // they are already counted
	for content := range e.contents(f, e.protobuf) {
		if _, err := e.w.Write(content); err != nil {
			return err
		}
	}
	return nil
}
