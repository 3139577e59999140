package gobfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// reader reads the basic parts of the gob encoding. Package gob itself must
// only read trusted data: it allocates as many map elements as the file claims,
// which can end the process. A reader allocates no more than it has read.
type reader struct {
	in   *bufio.Reader
	off  int64  // bytes read so far
	left uint64 // bytes left of the present message
}

func newReader(in io.Reader) *reader { return &reader{in: bufio.NewReaderSize(in, 64<<10)} }

func (r *reader) damaged(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %w: %s", r.off, ErrDamaged, fmt.Sprintf(format, args...))
}

// failed translates an error of the underlying reader.
func (r *reader) failed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrTruncated
	}
	return fmt.Errorf("at byte %d: %w", r.off, err)
}

// nextMessage starts the next message once the previous one is read.
func (r *reader) nextMessage() error {
	const head = 9 // bytes that a number can take
	r.left = head
	size, err := r.uint()
	r.left = size
	return err
}

func (r *reader) byte() (byte, error) {
	if r.left == 0 {
		return 0, r.damaged("a message is shorter than its content")
	}
	b, err := r.in.ReadByte()
	if err != nil {
		return 0, r.failed(err)
	}
	r.left--
	r.off++
	return b, nil
}

// uint reads a number. Numbers below 128 are a single byte. Others are the
// negated number of bytes, followed by these, most significant first.
func (r *reader) uint() (uint64, error) {
	b, err := r.byte()
	if err != nil || b < 0x80 {
		return uint64(b), err
	}
	n := -int(int8(b))
	if n > 8 {
		return 0, r.damaged("a number has %d bytes", n)
	}
	var v uint64
	for range n {
		if b, err = r.byte(); err != nil {
			return 0, err
		}
		v = v<<8 | uint64(b)
	}
	return v, nil
}

// int reads a signed number, whose lowest bit is the sign.
func (r *reader) int() (int64, error) {
	u, err := r.uint()
	if u&1 != 0 {
		return ^int64(u >> 1), err
	}
	return int64(u >> 1), err
}

// maxBytes bounds one string or family. Protobuf allows no more.
const maxBytes = 1<<31 - 1

// bytes reads a string, or anything else with a length. The caller owns the
// result.
func (r *reader) bytes() ([]byte, error) {
	n, err := r.uint()
	if err != nil {
		return nil, err
	}
	if n > r.left || n > maxBytes {
		return nil, r.damaged("a string of %d bytes is longer than its message or than %d bytes", n, maxBytes)
	}
	b, err := r.take(int64(n))
	r.left -= uint64(len(b))
	r.off += int64(len(b))
	if err != nil {
		return nil, r.failed(err)
	}
	return b, nil
}

// take reads n bytes. It grows the buffer as bytes arrive, since the claimed
// length may be wrong.
func (r *reader) take(n int64) ([]byte, error) {
	const small = 64 << 10
	if n <= small {
		b := make([]byte, n)
		got, err := io.ReadFull(r.in, b)
		return b[:got], err
	}
	var b bytes.Buffer
	_, err := io.CopyN(&b, r.in, n)
	return b.Bytes(), err
}

func (r *reader) string() (string, error) {
	b, err := r.bytes()
	return string(b), err
}

// skipMessage skips the rest of the present message.
func (r *reader) skipMessage() error {
	for r.left > 0 {
		n, err := r.in.Discard(int(min(r.left, 1<<20)))
		r.left -= uint64(n)
		r.off += int64(n)
		if err != nil {
			return r.failed(err)
		}
	}
	return nil
}

// eachField iterates over a struct. f reads the value of the field with the
// given number, counted from 0.
func (r *reader) eachField(f func(number int) error) error {
	const most = 1000 // fields of a struct; those of the file have fewer than 20
	for number := -1; ; {
		step, err := r.uint()
		if err != nil || step == 0 {
			return err
		}
		if step > most || number+int(step) > most {
			return r.damaged("a struct has more than %d fields", most)
		}
		number += int(step)
		if err := f(number); err != nil {
			return err
		}
	}
}

// eachEntry iterates over a map with string keys. f reads the value.
func (r *reader) eachEntry(f func(key string) error) error {
	n, err := r.uint()
	if err != nil {
		return err
	}
	for range n { // each takes at least a byte
		key, err := r.string()
		if err != nil {
			return err
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return nil
}
