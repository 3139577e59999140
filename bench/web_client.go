package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// webClient pushes with net/http, as clients written in Go do, over one
// connection that it keeps.
type webClient struct {
	http.Client
	url string // what comes before paths
}

func newWebClient(addr string) *webClient {
	return &webClient{http.Client{Transport: &http.Transport{}, Timeout: patience}, "http://" + addr}
}

func (c *webClient) push(l *load, n int) error {
	req, err := http.NewRequest(http.MethodPut, c.url+string(l.appendPath(nil, n)), strings.NewReader(l.body(n)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("status %d, and reading the body: %w", res.StatusCode, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("status %d: %.200q", res.StatusCode, answer)
	}
	return nil
}

func (c *webClient) Close() error {
	c.CloseIdleConnections()
	return nil
}
