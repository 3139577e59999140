package intake

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

const (
	// OnceHeader has a key that makes a push that adds up count once.
	OnceHeader = "Idempotency-Key"
	// ReplayedHeader is in the answer to a push that had counted before.
	ReplayedHeader = "Idempotency-Replayed"
)

var onceField = http.CanonicalHeaderKey(OnceHeader)

// maxOnceKey bounds a key, in bytes.
const maxOnceKey = 256

// onceKey returns the key that makes a push count once, or "" if it has none. It
// is for pushes that add up. Others can be repeated without harm, so their keys
// are ignored.
func onceKey(h http.Header, mode gateway.Mode) (string, error) {
	if mode != gateway.Sum {
		return "", nil
	}
	values := h[onceField]
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", &ParameterError{fmt.Errorf("the request has %d headers %s; send one", len(values), OnceHeader)}
	}
	key, err := parseOnceKey(strings.Trim(values[0], " \t"))
	if err != nil {
		return "", &ParameterError{fmt.Errorf("%s %q %w", OnceHeader, excerpt.Of(values[0]), err)}
	}
	return key, nil
}

// parseOnceKey reads a key as the IETF's draft has it, a string in quotes, or bare.
func parseOnceKey(s string) (string, error) {
	key, quoted := strings.CutPrefix(s, `"`)
	if quoted {
		var ok bool
		if key, ok = unquote(key); !ok {
			return "", errors.New(`is not a string like "8e03978e-40d5-43dd-bc93-6894a57f9324"; write printable ASCII between quotes, and \" and \\ for a quote and a backslash`)
		}
	}
	bare := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`",;\`, c) }
	switch {
	case key == "":
		return "", errors.New("is empty; send a key that no other push has")
	case len(key) > maxOnceKey:
		return "", fmt.Errorf("has %d bytes, more than the limit of %d; send a shorter one, like a UUID", len(key), maxOnceKey)
	case !quoted && strings.ContainsFunc(key, bare):
		return "", errors.New("has characters that need quotes; write it as a string, like \"a b\"")
	}
	return key, nil
}

// unquote returns the content of a string that has lost its first quote.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			return b.String(), i == len(s)-1
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			c = s[i]
		case c < ' ' || c > '~' || c == '\\':
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false
}

// once makes a push to a group count once, if its client asks for it.
type once struct {
	key     string // "" if it does not
	content [16]byte
}

// hash sets the hash of the body.
func (o *once) hash(body []byte) {
	if o.key != "" {
		sum := sha256.Sum256(body)
		o.content = [16]byte(sum[:16])
	}
}

// of returns the part for one group, or nil.
func (o *once) of(group grouping.Key) *gateway.Once {
	if o.key == "" {
		return nil
	}
	return gateway.NewOnce(group, o.key, o.content)
}

// tellReplayed calls Replayed if a request has pushed nothing that had not counted
// before. Pushes that had nothing to do do not matter.
func (r *Request) tellReplayed(pushes ...gateway.Push) {
	pushes = slices.DeleteFunc(pushes, func(p gateway.Push) bool { return p.Once != nil && p.Once.Idle })
	fresh := func(p gateway.Push) bool { return p.Once == nil || !p.Once.Replayed }
	if r.Replayed != nil && len(pushes) > 0 && !slices.ContainsFunc(pushes, fresh) {
		r.Replayed()
	}
}
