package intake_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
)

// slowly is a body that takes a while to arrive.
type slowly struct {
	takes time.Duration
	body  io.Reader
}

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(s.takes)
	s.takes = 0
	return s.body.Read(p)
}

// TestGone has clients that leave. One that does not wait for its answer is served;
// one that has left while its push waited is not.
func TestGone(t *testing.T) {
	for _, tt := range []struct {
		takes time.Duration
		many  bool
		taken bool
	}{
		{0, false, true},
		{0, true, true},
		{5 * time.Second, false, false},
		{5 * time.Second, true, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, err := gateway.Open(t.Context(), gateway.Config{Journal: &gateway.Memory{}})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			ctx, leave := context.WithCancel(t.Context())
			leave()
			r := request("")
			r.Body = &slowly{tt.takes, strings.NewReader("m{job=\"a\"} 1\n")}
			in := intake.New(g, intake.Config{})
			if tt.many {
				var outcomes []error
				r.Query = "group_by=job"
				_, outcomes, _, err = in.PushMany(ctx, r)
				err = errors.Join(append(outcomes, err)...)
			} else {
				_, err = in.Push(ctx, r)
			}
			if taken := g.View().Groups() == 1; taken != tt.taken || errors.Is(err, gateway.ErrGone) == tt.taken {
				t.Errorf("%+v: taken is %v, with %v", tt, taken, err)
			}
		})
	}
}
