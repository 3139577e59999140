// Package record turns a group into the bytes that a journal stores, and back.
//
// A record is a byte with the version of the format, a checksum (xxHash64 of
// the grouping key, the version and everything after the checksum, little
// endian), the revision (little endian), and an S2 block that contains this
// protocol buffers message:
//
//	message Group {
//	  sint64 pushed  = 1;          // Unix time in ns; absent: never
//	  sint64 failed  = 2;          // the same
//	  uint64 since   = 3;          // revision; absent: that of the record
//	  sint64 expires = 4;          // Unix time in ns; absent: never
//	  repeated Family families = 5; // sorted by name
//	  string failure = 6;          // why the last refused push was refused
//	  string failed_by = 7;        // the client whose failures created a group without a good push
//	  uint64 last    = 10;         // 1: the last push was refused, 2: it was stored; absent: compare the two times
//	  bytes  runs    = 11;         // the history of a job's runs; since format 2
//	}
//	message Family {
//	  bytes  family = 1;  // a delimited io.prometheus.client.MetricFamily
//	  bytes  text   = 4;  // its lines, instead of its metrics; see exposition.StoredReader
//	  sint64 pushed = 2;  // ns after that of the group, or after 1970 if it has none; absent: at the same time
//	  uint64 claim  = 3;  // revision; absent or 0: that of the record. The highest bit means that it took the name
//	  bytes  ends   = 5;  // when its series end by themselves, see appendEnds; since format 2
//	}
//
// If there is text, field 1000 of the MetricFamily is the version of the
// renderer that wrote the lines. Decode keeps lines of the present version and
// renders others again. Programs that do not know the field skip it.
//
// A record has the oldest format that holds everything that the group has, so
// that older versions read what they can. Decode reads all formats up to
// gateway.NewestFormat. It returns an error for any other unknown field, and for
// fields that the record's format does not have, since ignoring a field could
// lose data. Revisions that a group receives only when it is stored are
// absent. So a record can be made before its place in the order is known.
//
// If the highest bit of the version is set, the size of the following message,
// as a varint, and the message itself come before the block. The message means
// that a push to the group was refused later. It is added without unpacking the
// block:
//
//	message Stamp {
//	  sint64 failed  = 2; // as in Group
//	  string failure = 6;
//	  string failed_by = 7;
//	  uint64 against = 3; // the revision that the push was checked against; the group is failing unless its own is later
//	}
package record

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// stampedBit is set in the first byte of a record that has a stamp.
const stampedBit = 0x80

// Offsets of the parts of a record.
const (
	checksumAt = 1
	revisionAt = checksumAt + 8
	contentAt  = revisionAt + 8
)

// errDamaged means that a record is not what was written.
var errDamaged = errors.New("the record is damaged")

// ErrNewer means that a newer version of this program wrote a record.
var ErrNewer = errors.New("a newer version of this program wrote the record")

// ErrOlder means that a record must have a newer format than its readers know.
var ErrOlder = errors.New("the record needs a newer format")

// The fields of the messages.
const (
	groupPushed   = 1
	groupFailed   = 2
	groupSince    = 3
	groupExpires  = 4
	groupFamilies = 5
	groupFailure  = 6
	groupFailedBy = 7
	groupLast     = 10
	groupRuns     = 11 // since format 2

	stampAgainst = 3

	familyBlock  = 1
	familyPushed = 2
	familyClaim  = 3
	familyText   = 4
	familyEnds   = 5 // since format 2
)

// buffers are the buffers that encoding a record needs.
type buffers struct{ content, packed []byte }

var scratch = sync.Pool{New: func() any { return new(buffers) }}

// maxScratch is the largest buffer that is kept, in bytes.
const maxScratch = 1 << 20

func (b *buffers) release() {
	if cap(b.content) <= maxScratch {
		scratch.Put(b)
	}
}

// Encode returns the record of a group. The record is not valid until it is
// sealed.
func Encode(g *gateway.Group) []byte {
	rec, _ := EncodeWithin(g, gateway.NewestFormat, nil) // it fails only because of a budget or an older format
	return rec
}

// EncodeWithin is Encode for readers that know formats up to newest. It leaves
// out what newest does not have, or returns ErrOlder if that must not be left
// out. It takes from budget the memory that a large record needs for encoding
// and writing. A nil budget has no bound.
func EncodeWithin(g *gateway.Group, newest gateway.Format, budget exposition.Budget) ([]byte, error) {
	whole, least := g.Formats()
	if least > newest {
		return nil, ErrOlder
	}
	buf := scratch.Get().(*buffers)
	defer buf.release()
	w := writer{buf: buf, budget: budget, format: min(whole, newest)}
	buf.content = buf.content[:0]
	w.group(g)
	if w.err != nil {
		return nil, w.err
	}
	if len(w.packed) > 0 {
		return w.join()
	}
	buf.packed = s2.Encode(buf.packed[:cap(buf.packed)], buf.content)
	rec := make([]byte, contentAt+len(buf.packed))
	rec[0] = byte(w.format)
	copy(rec[contentAt:], buf.packed)
	return rec, nil
}

// Seal sets the revision and the checksum of a record made by Encode.
func Seal(rec []byte, key grouping.Key, r gateway.Revision) {
	binary.LittleEndian.PutUint64(rec[revisionAt:], uint64(r))
	binary.LittleEndian.PutUint64(rec[checksumAt:], compute(rec, key))
}

// Checksum returns the checksum in a record, or 0 if the record is too short.
func Checksum(rec []byte) uint64 {
	if len(rec) < contentAt {
		return 0
	}
	return binary.LittleEndian.Uint64(rec[checksumAt:])
}

func compute(rec []byte, key grouping.Key) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(string(key)) // writing to a hash cannot fail
	_, _ = d.Write(rec[:checksumAt])
	_, _ = d.Write(rec[revisionAt:])
	return d.Sum64()
}

// Check returns the revision of a record, or an error if the record is damaged.
func Check(rec []byte, key grouping.Key) (gateway.Revision, error) {
	if len(rec) < contentAt {
		return 0, fmt.Errorf("%w: it has only %d bytes", errDamaged, len(rec))
	}
	if compute(rec, key) != Checksum(rec) {
		return 0, fmt.Errorf("%w: its checksum does not match its content", errDamaged)
	}
	switch format := FormatOf(rec); {
	case format < gateway.Format1:
		return 0, fmt.Errorf("%w: there is no format %d", errDamaged, format)
	case format > gateway.NewestFormat:
		return 0, fmt.Errorf("%w: its format is %d, but this version reads up to %d", ErrNewer, format, gateway.NewestFormat)
	}
	return gateway.Revision(binary.LittleEndian.Uint64(rec[revisionAt:])), nil
}

// FormatOf returns the format of a record, which must not be empty.
func FormatOf(rec []byte) gateway.Format { return gateway.Format(rec[0] &^ stampedBit) }

// Decode returns the group of a record that was sealed for key. It keeps no
// reference to rec.
func Decode(rec []byte, key grouping.Key) (*gateway.Group, gateway.Revision, error) {
	r, err := Check(rec, key)
	if err != nil {
		return nil, 0, err
	}
	group, err := decode(rec, key, r, nil)
	return group, r, err
}

// DecodeAs is Decode for a store that keeps the revision beside the record,
// which was sealed without one. old is what is known of the group, or nil. It
// only makes decoding faster.
func DecodeAs(rec []byte, key grouping.Key, r gateway.Revision, old *gateway.Group) (*gateway.Group, error) {
	if _, err := Check(rec, key); err != nil {
		return nil, err
	}
	return decode(rec, key, r, old)
}

// decode returns the group of an intact record.
func decode(rec []byte, key grouping.Key, r gateway.Revision, old *gateway.Group) (*gateway.Group, error) {
	stamp, packed, err := cutStamp(rec)
	if err != nil {
		return nil, fmt.Errorf("%w: reading its stamp: %w", errDamaged, err)
	}
	buf := scratch.Get().(*buffers)
	defer buf.release()
	content, err := s2.Decode(buf.content[:cap(buf.content)], packed)
	if err != nil {
		return nil, fmt.Errorf("%w: unpacking it: %w", errDamaged, err)
	}
	buf.content = content
	g := reading{Group: gateway.Group{Key: key, Revision: r, Since: r}, format: FormatOf(rec), stored: exposition.GetStoredReader()}
	defer g.stored.Release()
	if old == nil || !g.repeat(content, old) {
		if err := g.read(content); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	if err := g.takeStamp(stamp); err != nil {
		return nil, fmt.Errorf("%w: reading its stamp: %w", errDamaged, err)
	}
	group := gateway.RestoreLike(old, g.Group)
	if g.last != 0 {
		group.Failing = g.last == lastRefused
	}
	return group, nil
}

// appendHead appends the fields of a group except its families.
func appendHead(b []byte, g *gateway.Group, format gateway.Format) []byte {
	b = appendTime(b, groupPushed, g.Pushed)
	b = appendTime(b, groupFailed, g.Failed)
	b = appendRevision(b, groupSince, g.Since)
	b = appendTime(b, groupExpires, g.Expires)
	b = appendString(b, groupFailure, g.Failure)
	b = appendString(b, groupFailedBy, g.FailedBy)
	if g.Failing != g.Failed.After(g.Pushed) { // the clock was set, or the times come from two machines
		b = protowire.AppendTag(b, groupLast, protowire.VarintType)
		b = protowire.AppendVarint(b, lastOf(g.Failing))
	}
	if format >= gateway.Format2 && len(g.Runs) > 0 {
		b = protowire.AppendTag(b, groupRuns, protowire.BytesType)
		b = protowire.AppendBytes(b, g.Runs)
	}
	return b
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// The values of field 10, which tells whether the last push was refused.
const (
	lastRefused = 1
	lastTaken   = 2
)

func lastOf(failing bool) uint64 {
	if failing {
		return lastRefused
	}
	return lastTaken
}

func appendHeld(b []byte, g *gateway.Group, h *gateway.Held) []byte {
	b = protowire.AppendTag(b, familyBlock, protowire.BytesType)
	b = appendSized(b, h.AppendStored)
	if text := h.StoredText(); text != nil {
		b = protowire.AppendTag(b, familyText, protowire.BytesType)
		b = protowire.AppendBytes(b, text)
	}
	return appendTail(b, g, h)
}

// appendTail appends the fields of a family except its series.
func appendTail(b []byte, g *gateway.Group, h *gateway.Held) []byte {
	// As the wall clock shows them, since it may have been set in between.
	if after := h.Pushed.UnixNano() - base(g.Pushed); after != 0 && !h.Pushed.IsZero() {
		b = protowire.AppendTag(b, familyPushed, protowire.VarintType)
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(after))
	}
	return appendEnds(appendRevision(b, familyClaim, claimOf(h)), h.Ends)
}

// tookBit is set in a claim that took the name. Versions of this program that do
// not know it read a claim that is younger than all others.
const tookBit = 1 << 63

func claimOf(h *gateway.Held) gateway.Revision {
	if h.Took {
		return h.Claim | tookBit
	}
	return h.Claim
}

// base is the time from which the times of families count: that of the group,
// in Unix ns, or 1970 if it has none.
func base(pushed time.Time) int64 {
	if pushed.IsZero() {
		return 0
	}
	return pushed.UnixNano()
}

// appendSized appends what f appends, preceded by its size in five bytes, since
// the size is not known before.
func appendSized(b []byte, f func([]byte) []byte) []byte {
	at := len(b)
	b = f(append(b, 0x80, 0x80, 0x80, 0x80, 0))
	size := len(b) - at - 5
	for i := range 4 {
		b[at+i] |= byte(size>>(7*i)) & 0x7f
	}
	b[at+4] = byte(size >> 28)
	return b
}

func appendTime(b []byte, num protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, protowire.EncodeZigZag(t.UnixNano()))
}

func appendRevision(b []byte, num protowire.Number, r gateway.Revision) []byte {
	if r == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(r))
}

// field is one field of a message: a number, or bytes.
type field struct {
	num   protowire.Number
	value uint64
	bytes []byte
}

func (f field) time() time.Time { return time.Unix(0, protowire.DecodeZigZag(f.value)) }

// eachField iterates over a message.
func eachField(msg []byte, take func(field) error) error {
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		if err := take(f); err != nil {
			return err
		}
		msg = rest
	}
	return nil
}

// nextField reads the first field of a message that is not empty.
func nextField(msg []byte) (f field, rest []byte, err error) {
	num, typ, n := protowire.ConsumeTag(msg)
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	msg, f.num = msg[n:], num
	switch typ {
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(msg)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(msg)
	default:
		return f, nil, fmt.Errorf("field %d has the wire type %d, which records do not use", num, typ)
	}
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	return f, msg[n:], nil
}

func unknown(num protowire.Number) error { return fmt.Errorf("field %d is unknown", num) }

// reading is a group that is being read.
type reading struct {
	gateway.Group
	format gateway.Format
	last   uint64 // field 10
	stored *exposition.StoredReader
}

// countFamilies returns how many families to make room for.
func countFamilies(content []byte) (n int) {
	const most = 1000 // bound for damaged records
	_ = eachField(content, func(f field) error {
		if f.num == groupFamilies && n < most {
			n++
		}
		return nil
	})
	return n
}

// read reads the message of a group.
func (g *reading) read(content []byte) error {
	g.Families = make([]gateway.Held, 0, countFamilies(content))
	return eachField(content, g.take)
}

func (g *reading) take(f field) error {
	if f.num >= groupRuns && g.format < gateway.Format2 {
		return fmt.Errorf("field %d is unknown in format %d", f.num, g.format)
	}
	switch f.num {
	case groupPushed:
		g.Pushed = f.time()
	case groupFailed:
		g.Failed = f.time()
	case groupSince:
		g.Since = gateway.Revision(f.value)
	case groupExpires:
		g.Expires = f.time()
	case groupFailure:
		g.Failure = string(f.bytes)
	case groupFailedBy:
		g.FailedBy = string(f.bytes)
	case groupLast:
		g.last = f.value
	case groupRuns:
		g.Runs = bytes.Clone(f.bytes)
	case groupFamilies:
		return g.takeFamily(f.bytes)
	default:
		return unknown(f.num)
	}
	return nil
}

func (g *reading) takeFamily(msg []byte) error {
	h, p, err := g.readHeld(msg)
	if err == nil {
		h.Block, err = g.stored.Read(p.family, p.text)
	}
	if err == nil && p.ends != nil {
		h.Ends, err = readEnds(p.ends, h.Block, g.stored.LeftOut())
	}
	if err != nil {
		return err
	}
	if n := len(g.Families); n > 0 && g.Families[n-1].Name >= h.Name {
		return fmt.Errorf("family %q comes after %q", excerpt.Of(h.Name), excerpt.Of(g.Families[n-1].Name))
	}
	g.Families = append(g.Families, h)
	return nil
}

// parts are the fields of a family that are about its series. They are part of the
// message.
type parts struct{ family, text, ends []byte }

// readHeld reads the message of a family, except for its parts.
func (g *reading) readHeld(msg []byte) (h gateway.Held, p parts, err error) {
	h.Pushed, h.Claim = g.Pushed, g.Revision
	for len(msg) > 0 {
		var f field
		if f, msg, err = nextField(msg); err != nil {
			return h, p, err
		}
		if f.num >= familyEnds && g.format < gateway.Format2 {
			return h, p, fmt.Errorf("field %d of a family is unknown in format %d", f.num, g.format)
		}
		switch f.num {
		case familyBlock:
			p.family = f.bytes
		case familyText:
			p.text = f.bytes
		case familyEnds:
			p.ends = f.bytes
		case familyPushed:
			h.Pushed = time.Unix(0, base(g.Pushed)+protowire.DecodeZigZag(f.value))
		case familyClaim:
			h.Took = f.value&tookBit != 0
			h.Claim = cmp.Or(gateway.Revision(f.value&^tookBit), g.Revision)
		default:
			return h, p, unknown(f.num)
		}
	}
	return h, p, nil
}
