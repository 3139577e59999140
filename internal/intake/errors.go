package intake

import (
	"errors"
	"os"

	"pushgateway/internal/exposition"
)

// ErrTimeout is the error for a body that did not arrive in time.
var ErrTimeout = errors.New("the request did not arrive completely within --web.read-timeout; send it faster")

// ErrBodyTooLarge is wrapped by the errors for bodies with too many bytes.
var ErrBodyTooLarge = errors.New("the body is too large")

// badBody marks an error about the body: it could not be read, or not in time.
func badBody(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrTimeout
	}
	return &exposition.SyntaxError{Msg: err.Error()}
}

// KeyError marks an error about the grouping key.
type KeyError struct{ error }

func (e *KeyError) Unwrap() error { return e.error }

// ParameterError marks an error about a parameter or a header.
type ParameterError struct{ error }

func (e *ParameterError) Unwrap() error { return e.error }
