package otlp

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
	"unsafe"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// Values of attributes become labels, so lists and maps are only needed as text. It
// is written from the body at once: messages for each of their parts would cost much
// more than their bytes.

// value is an AnyValue that is not read further.
type value struct {
	kind  uint32 // number of its field, 0 if it has none
	bits  uint64 // of a number
	bytes []byte // of a text or a message
	owned bool   // bytes is no part of the body
}

// The fields of an AnyValue.
const (
	textValue = iota + 1
	boolValue
	intValue
	doubleValue
	listValue
	mapValue
	bytesValue
	indexValue
)

// split reads an AnyValue. The last of several fields counts, and lists and maps that
// follow each other are one.
func (d *decoder) split(msg []byte) (v value) {
	for f := (field{}); d.next(&msg, &f); {
		switch kind := f.key >> 3; f.key {
		case textValue<<3 | bytesType:
			d.text(f.bytes) // checks it
			v = value{kind: kind, bytes: f.bytes}
		case bytesValue<<3 | bytesType:
			v = value{kind: kind, bytes: f.bytes}
		case boolValue<<3 | varintType, intValue<<3 | varintType, doubleValue<<3 | fixed64Type, indexValue<<3 | varintType:
			v = value{kind: kind, bits: f.bits}
		case listValue<<3 | bytesType, mapValue<<3 | bytesType:
			if v.kind == kind {
				v.bytes, v.owned = d.merged(v.bytes, f.bytes, v.owned)
			} else {
				v = value{kind: kind, bytes: f.bytes}
			}
		}
	}
	return v
}

// merged returns a message that comes in two parts. owned says whether the first is
// no part of the body.
func (d *decoder) merged(msg, more []byte, owned bool) ([]byte, bool) {
	d.pay(2 * len(more))
	if !owned {
		d.pay(len(msg))
		msg = slices.Clip(msg)
	}
	return append(msg, more...), true
}

// value reads the value of an attribute, which nearly always is a text. depth is how
// many messages are around it.
func (d *decoder) value(to *common.AnyValue, msg []byte, depth int) {
	const small = 32 // what a number takes
	switch v := d.split(msg); v.kind {
	case textValue:
		text := d.texts.next(d)
		text.StringValue = unsafe.String(unsafe.SliceData(v.bytes), len(v.bytes))
		to.Value = text
	case boolValue:
		d.pay(small)
		to.Value = &common.AnyValue_BoolValue{BoolValue: v.bits != 0}
	case intValue:
		d.pay(small)
		to.Value = &common.AnyValue_IntValue{IntValue: int64(v.bits)}
	case doubleValue:
		d.pay(small)
		to.Value = &common.AnyValue_DoubleValue{DoubleValue: math.Float64frombits(v.bits)}
	case bytesValue:
		d.pay(2 * small)
		to.Value = &common.AnyValue_BytesValue{BytesValue: v.bytes}
	case listValue, mapValue:
		const longest = 6 // bytes of text for one
		if d.pay(longest * (len(msg) + 1)); d.err != nil {
			return
		}
		text := d.texts.next(d)
		text.StringValue = string(d.appendJSON(make([]byte, 0, len(msg)), v, depth))
		to.Value = text
	case indexValue:
		d.pay(small)
		to.Value = &common.AnyValue_StringValueStrindex{StringValueStrindex: int32(v.bits)}
	}
}

// appendJSON writes a value as encoding/json writes the result of plain. depth is how
// many messages are around it.
func (d *decoder) appendJSON(to []byte, v value, depth int) []byte {
	if depth >= deepest && d.err == nil {
		d.err = errSyntax // decoding with the library says why
	}
	if d.err != nil {
		return to
	}
	switch v.kind {
	case textValue:
		return appendString(to, v.bytes)
	case boolValue:
		return strconv.AppendBool(to, v.bits != 0)
	case intValue:
		return strconv.AppendInt(to, int64(v.bits), 10)
	case doubleValue:
		return appendNumber(to, math.Float64frombits(v.bits))
	case bytesValue:
		return append(base64.StdEncoding.AppendEncode(append(to, '"'), v.bytes), '"')
	case listValue:
		return d.appendList(to, v.bytes, depth+1)
	case mapValue:
		return d.appendMap(to, v.bytes, depth+1)
	}
	return append(to, "null"...)
}

// itemsField is the field of the items of a list or a map.
const itemsField = 1<<3 | bytesType

func (d *decoder) appendList(to, msg []byte, depth int) []byte {
	if depth >= deepest && d.err == nil {
		d.err = errSyntax
	}
	to = append(to, '[')
	for f, first := (field{}), true; d.next(&msg, &f); {
		if f.key != itemsField {
			continue
		}
		if !first {
			to = append(to, ',')
		}
		first = false
		to = d.appendJSON(to, d.split(f.bytes), depth+1)
	}
	return append(to, ']')
}

// entry is one entry of a map.
type entry struct {
	key   string
	value []byte
}

// appendMap writes entries in the order of their keys. Of several with one key the
// last counts.
func (d *decoder) appendMap(to, msg []byte, depth int) []byte {
	const size = 40
	n := d.count(msg, itemsField)
	if d.pay(size * n); d.err != nil {
		return to
	}
	entries := make([]entry, 0, n)
	for f := (field{}); d.next(&msg, &f); {
		if f.key == itemsField {
			entries = append(entries, d.entry(f.bytes))
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	to = append(to, '{')
	for i, e := range entries {
		if i+1 < len(entries) && entries[i+1].key == e.key {
			continue
		}
		if to[len(to)-1] != '{' {
			to = append(to, ',')
		}
		to = append(appendString(to, []byte(e.key)), ':')
		to = d.appendJSON(to, d.split(e.value), depth+2)
	}
	return append(to, '}')
}

func (d *decoder) entry(msg []byte) (e entry) {
	owned := false
	for f := (field{}); d.next(&msg, &f); {
		switch {
		case f.key == 1<<3|bytesType:
			e.key = d.text(f.bytes)
		case f.key == 2<<3|bytesType && e.value == nil:
			e.value = f.bytes
		case f.key == 2<<3|bytesType:
			e.value, owned = d.merged(e.value, f.bytes, owned)
		}
	}
	return e
}

// appendString writes a text as encoding/json does.
func appendString(to, text []byte) []byte {
	plain := func(c byte) bool {
		return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	for _, c := range text {
		if !plain(c) {
			b, err := json.Marshal(string(text))
			if err != nil {
				return append(to, `""`...) // it never fails for a text
			}
			return append(to, b...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

// appendNumber writes a number. JSON has no infinities and no NaN: they are texts, as
// in protobuf's JSON.
func appendNumber(to []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(to, textOfFloat(v))
	}
	return append(to, textOfFloat(v)...)
}

// apart reads a message with the library, except for its attributes, which are in a
// field. depth is how many messages are around it.
func (d *decoder) apart(key uint32, msg []byte, depth int, m proto.Message) []*common.KeyValue {
	all := d.attributes(msg, key)
	var others []byte
	for f := (field{}); len(msg) > 0; {
		before := msg
		if !d.next(&msg, &f) {
			return nil
		}
		if f.key == key {
			all = append(all, d.keyValue(f.bytes, depth+1))
			continue
		}
		n := len(before) - len(msg)
		d.pay(2 * n)
		others = append(others, before[:n]...)
	}
	if len(others) > 0 {
		d.rest(m, others, depth)
	}
	return all
}
