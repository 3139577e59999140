package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// webClient pushes and scrapes with net/http, as clients written in Go and
// Prometheus do, over one connection that it keeps.
type webClient struct {
	http.Client
	url    string       // what comes before paths
	answer bytes.Buffer // the last one
}

func newWebClient(addr string) *webClient {
	return &webClient{
		Client: http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: patience},
		url:    "http://" + addr,
	}
}

func (c *webClient) push(l *load, n int) error {
	req, err := http.NewRequest(l.method(), c.url+string(l.appendPath(nil, n)), strings.NewReader(l.body(n)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", l.media())
	return c.ask(req)
}

// read sends a request that was rendered for a raw socket.
func (c *webClient) read(request []byte) (int64, error) {
	raw, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(raw.Method, c.url+raw.RequestURI, nil)
	if err != nil {
		return 0, err
	}
	req.Header = raw.Header
	err = c.ask(req)
	return int64(c.answer.Len()), err
}

// ask sends a request and reads the answer into memory that it has already, as
// Prometheus does.
func (c *webClient) ask(req *http.Request) error {
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	c.answer.Reset()
	if _, err := io.Copy(&c.answer, res.Body); err != nil {
		return fmt.Errorf("status %d, and reading the body: %w", res.StatusCode, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("status %d: %.200q", res.StatusCode, c.answer.String())
	}
	return nil
}

func (c *webClient) Close() error {
	c.CloseIdleConnections()
	return nil
}
