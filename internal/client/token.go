package client

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// tokenError means that there is no token to send.
type tokenError struct{ error }

func (e *tokenError) Unwrap() error { return e.error }

// checkToken returns an error if the file of the token has none. The transport
// reads the file again, and would send an empty token.
func (c *Client) checkToken() error {
	if c.tokenFile == "" {
		return nil
	}
	token, err := os.ReadFile(c.tokenFile)
	if err == nil {
		token = bytes.TrimSpace(token)
	}
	switch {
	case err != nil:
	case len(token) == 0:
		err = errors.New("the file is empty; write the token into it")
	case bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		err = errors.New("the file has more than a token; write the token alone into it, on one line")
	}
	if err != nil {
		return &tokenError{fmt.Errorf("reading the token of %s: %s: %w", c.credentials, c.tokenFile, withoutPath(err))}
	}
	return nil
}

// withoutPath removes what the message says already.
func withoutPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
