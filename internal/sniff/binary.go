package sniff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Packed guesses how a body is compressed. It knows of no format.
func (s Sent) Packed() Hint {
	if h := s.packed(); h.Says != "" {
		return h
	}
	if IsText(s.Body) {
		return Hint{}
	}
	return s.packedPlainly()
}

// packed recognizes compressed bodies by their first bytes.
func (s Sent) packed() Hint {
	has := func(magic string) bool { return bytes.HasPrefix(s.Body, []byte(magic)) }
	switch {
	case has("\x1f\x8b"):
		return s.isPacked("gzip", "gzip")
	case has("\x28\xb5\x2f\xfd"), len(s.Body) > 4 && s.Body[0]&0xf0 == 0x50 && bytes.Equal(s.Body[1:4], []byte("\x2a\x4d\x18")):
		return s.isPacked("zstd", "zstd")
	case has("\xff\x06\x00\x00sNaPpY"):
		return s.isPacked("snappy", "snappy")
	case has("BZh"):
		return s.isPacked("bzip2", "")
	case has("\xfd7zXZ\x00"):
		return s.isPacked("xz", "")
	case has("\x04\x22\x4d\x18"):
		return s.isPacked("lz4", "")
	case has("\x1f\x9d"):
		return s.isPacked("compress", "")
	case has("PK\x03\x04"):
		return s.isPacked("zip", "")
	case has("7z\xbc\xaf\x27\x1c"):
		return s.isPacked("7-Zip", "")
	}
	return Hint{}
}

// packedPlainly recognizes compressed bodies whose beginning hardly differs
// from other bytes.
func (s Sent) packedPlainly() Hint {
	switch {
	case isZlib(s.Body):
		return s.isPacked("zlib (deflate)", "")
	case isSnappyBlock(s.Body):
		return s.isPacked("snappy as a block", "")
	}
	return Hint{}
}

// isPacked returns what to do about a compressed body. coding is its name in
// Content-Encoding, or "" if the gateway cannot decompress it.
func (s Sent) isPacked(with, coding string) Hint {
	switch {
	case coding == "":
		says := fmt.Sprintf("the body is compressed with %s, which this gateway cannot decompress; use gzip, zstd or framed snappy, and name it in Content-Encoding", with)
		return Hint{Says: says, Enough: true, Unreadable: true}
	case s.Unpacked:
		return enough(fmt.Sprintf("the body is still compressed with %s after decompression; compress it once, or list each coding in Content-Encoding", with))
	}
	return enough(fmt.Sprintf("the body is compressed with %s; send the header Content-Encoding: %s", with, coding))
}

// isZlib checks the two bytes with which RFC 1950 begins.
func isZlib(b []byte) bool {
	return len(b) > 2 && b[0]&0x0f == 8 && b[0]>>4 <= 7 && b[1]&0x20 == 0 && binary.BigEndian.Uint16(b)%31 == 0
}

// isSnappyBlock reads the elements of the block format and reports whether
// their lengths add up to the length at the beginning.
func isSnappyBlock(b []byte) bool {
	want, n := binary.Uvarint(b)
	if n <= 0 || want == 0 {
		return false
	}
	b = b[n:]
	got := uint64(0)
	for len(b) > 0 && got < want {
		size, skip := snappyElement(b)
		if skip > len(b) {
			return false
		}
		got += uint64(size)
		b = b[skip:]
	}
	return len(b) == 0 && got == want
}

// snappyElement returns how many bytes the first element of b produces, and how
// many it takes.
func snappyElement(b []byte) (size, skip int) {
	size = int(b[0] >> 2)
	switch b[0] & 3 {
	case 1:
		return 4 + size&7, 2
	case 2:
		return 1 + size, 3
	case 3:
		return 1 + size, 5
	}
	const short = 60 // above it the length follows in as many bytes
	more := max(size-short+1, 0)
	if more > 0 {
		var le [4]byte
		copy(le[:more], b[1:])
		size = int(min(binary.LittleEndian.Uint32(le[:]), 1<<30))
	}
	return size + 1, size + 2 + more
}

// binary recognizes bodies that are not text.
func (s Sent) binary() Hint {
	odd, first := 0, s.Body[:min(len(s.Body), 32)]
	for _, r := range string(first) {
		if r == utf8.RuneError || unicode.IsControl(r) && !unicode.IsSpace(r) && r != '\x1b' {
			odd++
		}
	}
	if s.As.Binary || odd < 2 || odd*4 < len(first) || isLatin(s.Body) {
		return Hint{}
	}
	return Hint{Says: "the body is binary, in a format that this gateway does not know; " + pushText + ", or protobuf with Content-Type: " + ProtobufType, Enough: true, Unreadable: true}
}

// families recognizes what the gateway reads, without the Content-Type or
// without lengths.
func (s Sent) families() Hint {
	switch other := s.misnamed(); {
	case other.Says != "", s.As.Looks != nil && s.As.Looks(s.Body):
		return other
	case isFamily(s.Body):
		return enough("the body is protobuf without a length before each message; write delimited messages, and send Content-Type: " + ProtobufType)
	}
	return Hint{}
}

// IsProtobuf reports whether b begins like delimited messages of type
// io.prometheus.client.MetricFamily.
func IsProtobuf(b []byte) bool {
	size, n := binary.Uvarint(b)
	return n > 0 && size > 0 && isFamily(b[n:])
}

// isFamily reports whether b begins like an io.prometheus.client.MetricFamily:
// with a name, then help, type or a series.
func isFamily(b []byte) bool {
	const name, help, typ, metric = 0x0a, 0x12, 0x18, 0x22
	if len(b) < 3 || b[0] != name {
		return false
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size == 0 || size > uint64(len(b)-1-n) {
		return false
	}
	b = b[1+n:]
	if !utf8.Valid(b[:size]) || bytes.ContainsFunc(b[:size], unicode.IsControl) {
		return false
	}
	return len(b) == int(size) || b[size] == help || b[size] == typ || b[size] == metric
}
