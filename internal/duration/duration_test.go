package duration_test

import (
	"errors"
	"testing"
	"time"

	"pushgateway/internal/duration"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]struct {
		d   time.Duration
		err error
	}{
		"90m":          {90 * time.Minute, nil},
		"2h30m":        {150 * time.Minute, nil},
		"7d":           {7 * 24 * time.Hour, nil},
		"0":            {0, nil},
		"100y":         {duration.Longest, nil},
		"100y1ms":      {0, duration.ErrTooLong},
		"300y":         {0, duration.ErrTooLong},
		"out of range": {0, duration.ErrSyntax},
		"":             {0, duration.ErrSyntax},
		"5":            {0, duration.ErrSyntax},
		"-1h":          {0, duration.ErrSyntax},
		"1.5h":         {0, duration.ErrSyntax},
		"6 hours":      {0, duration.ErrSyntax},
		"1m1h":         {0, duration.ErrSyntax},
	} {
		if d, err := duration.Parse(s); d != want.d || !errors.Is(err, want.err) {
			t.Errorf("%q is read as %v, %v, want %v, %v", s, d, err, want.d, want.err)
		}
	}
}
