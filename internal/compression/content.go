package compression

import (
	"bytes"
	"sync"
)

// Content is content that is sent to many clients. It is compressed once for each
// coding that they prefer. It is safe for concurrent use.
type Content struct {
	plain  []byte
	mu     sync.Mutex
	packed map[string][]byte // by coding
}

// NewContent returns content, and keeps the slice.
func NewContent(plain []byte) *Content {
	return &Content{plain: plain, packed: make(map[string][]byte)}
}

// For returns the content in the coding that a client prefers, by its
// Accept-Encoding headers. The coding is "" for no compression. The caller must not
// change the bytes.
func (c *Content) For(acceptEncoding []string) (coding string, b []byte) {
	coding = acceptedCoding(acceptEncoding)
	if coding == identity {
		return "", c.plain
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.packed[coding] == nil {
		var packed bytes.Buffer
		_, z := Pack(acceptEncoding, &packed)
		_, _ = z.Write(c.plain) // writing to memory cannot fail
		_ = z.Close()
		c.packed[coding] = packed.Bytes()
	}
	return coding, c.packed[coding]
}
