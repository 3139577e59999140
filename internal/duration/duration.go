// Package duration reads durations that people write.
package duration

import (
	"errors"
	"time"

	"github.com/prometheus/common/model"
)

// Longest keeps deadlines within the range of times.
const Longest = 100 * 365 * 24 * time.Hour

// outOfRange is an error of the library, which has no value for it.
const outOfRange = "duration out of range"

// The errors of Parse. Both go on from what the text is called.
var (
	ErrSyntax  = errors.New("it must be a duration like 90m, 24h or 7d")
	ErrTooLong = errors.New("it is longer than 100 years; shorten it")
)

// Parse reads a duration as in Prometheus, like 90m, 2h30m or 7d.
func Parse(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	switch {
	case err != nil && err.Error() != outOfRange:
		return 0, ErrSyntax
	case err != nil, time.Duration(d) > Longest:
		return 0, ErrTooLong
	}
	return time.Duration(d), nil
}
