package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// patience is how long an answer may take. It is there so that a run ends,
// not to judge anybody.
const patience = 90 * time.Second

// conn is a keep-alive connection that sends requests rendered beforehand.
// It is written by hand because the generator shares two cores with what it
// measures: net/http's client would take as much of them as the server.
type conn struct {
	net.Conn
	r    *bufio.Reader
	send []byte // reused between pushes
	body []byte // reused while reading bodies
}

func dial(addr string) (*conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

func newConn(c net.Conn) *conn {
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 64<<10)}
}

// response is what the measurements need to know of an answer.
type response struct {
	status  int
	size    int64 // of the body, as it came over the wire
	chunked bool
}

func (r response) ok() bool { return r.status/100 == 2 }

// do sends a request and reads the whole answer; its body goes to w, if there
// is one. An answer that is not 2xx is an error.
func (c *conn) do(request []byte, w io.Writer) (response, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return response{}, err
	}
	if _, err := c.Write(request); err != nil {
		return response{}, err
	}
	res, err := c.readHead()
	if err != nil {
		return res, fmt.Errorf("reading the answer: %w", err)
	}
	if !res.ok() {
		return res, c.refusal(res)
	}
	return c.readBody(res, w)
}

// refusal makes an error of an answer, with the beginning of what it says.
func (c *conn) refusal(res response) error {
	var b bytes.Buffer
	if _, err := c.readBody(res, &b); err != nil {
		return fmt.Errorf("status %d, and reading the body: %w", res.status, err)
	}
	return fmt.Errorf("status %d: %.200q", res.status, b.String())
}

// readHead reads the status line and the headers. Sizes are left in the
// response: -1 is a body that ends with the connection, which nobody who
// keeps connections alive sends.
func (c *conn) readHead() (response, error) {
	res := response{size: -1}
	line, err := c.line()
	if err != nil {
		return res, err
	}
	if res.status, err = parseStatus(line); err != nil {
		return res, err
	}
	for {
		line, err := c.line()
		if err != nil {
			return res, err
		}
		if len(line) == 0 {
			return res, res.checkFraming()
		}
		if err := res.header(line); err != nil {
			return res, err
		}
	}
}

// line reads one line; it is valid until the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

func parseStatus(line []byte) (int, error) {
	if len(line) < len("HTTP/1.1 200") || string(line[:len("HTTP/1.1 ")]) != "HTTP/1.1 " {
		return 0, fmt.Errorf("status line %.40q", line)
	}
	return strconv.Atoi(string(line[9:12]))
}

func (r *response) header(line []byte) (err error) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case isHeader(name, "Content-Length"):
		r.size, err = strconv.ParseInt(string(value), 10, 64)
	case isHeader(name, "Transfer-Encoding"):
		r.chunked = strings.EqualFold(string(value), "chunked")
	}
	return err
}

// isHeader compares lengths first, because most headers are none of ours.
func isHeader(name []byte, want string) bool {
	return len(name) == len(want) && strings.EqualFold(string(name), want)
}

func (r *response) checkFraming() error {
	if r.size < 0 && !r.chunked && r.status != 204 {
		return errors.New("the answer has neither a length nor chunks")
	}
	return nil
}

// readBody reads the body to its end, so that the connection can be used
// again, and notes its size.
func (c *conn) readBody(res response, w io.Writer) (response, error) {
	var err error
	switch {
	case res.chunked:
		res.size, err = c.copy(httputil.NewChunkedReader(c.r), w)
		if err == nil {
			err = c.skipTrailer()
		}
	case res.size > 0:
		want := res.size
		res.size, err = c.copy(io.LimitReader(c.r, want), w)
		if err == nil && res.size < want {
			err = io.ErrUnexpectedEOF
		}
	}
	return res, err
}

// copy reads in pieces that are large enough to cost the generator little.
func (c *conn) copy(r io.Reader, w io.Writer) (n int64, err error) {
	if c.body == nil {
		c.body = make([]byte, 256<<10)
	}
	for {
		k, err := r.Read(c.body)
		n += int64(k)
		if w != nil && k > 0 {
			if _, err := w.Write(c.body[:k]); err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// skipTrailer reads what follows the last chunk, up to the empty line.
func (c *conn) skipTrailer() error {
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// get renders a GET request. Headers are given as "Name: value".
func get(path string, headers ...string) []byte {
	b := []byte("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n")
	for _, h := range headers {
		b = append(b, h+"\r\n"...)
	}
	return append(b, "\r\n"...)
}
