package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"pushgateway/internal/gateway"
)

// packing returns text that was compressed some times.
func packing(t *testing.T, text []byte, with func(io.Writer) io.WriteCloser, times int) []byte {
	t.Helper()
	for range times {
		var packed bytes.Buffer
		w := with(&packed)
		_, err := w.Write(text)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		text = packed.Bytes()
	}
	return text
}

func gzips(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }

func zstds(w io.Writer) io.WriteCloser {
	z, _ := zstd.NewWriter(w) // it has no options that could be wrong
	return z
}

func openGateway(t *testing.T) *gateway.Gateway {
	t.Helper()
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func packedRequest(client, encoding string, body []byte) Request {
	return Request{Key: "job/a", Client: client, Header: http.Header{"Content-Encoding": {encoding}}, Body: bytes.NewReader(body), Length: -1}
}

// TestPackedAgain pushes bodies that were compressed several times. Some are made to
// cost much.
func TestPackedAgain(t *testing.T) {
	text := []byte(strings.Repeat("# a line that is like the others\n", 100_000) + "m 1\n")
	emptyFrames := bytes.Repeat([]byte("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"), 1<<20)
	for name, tt := range map[string]struct {
		encoding string
		body     []byte
		says     string // "" if it is taken
	}{
		"once":                        {"gzip", packing(t, text, gzips, 1), ""},
		"twice":                       {"gzip, gzip", packing(t, text, gzips, 2), ""},
		"three times":                 {"zstd, zstd, zstd", packing(t, text, zstds, 3), ""},
		"empty frames":                {"zstd, zstd", packing(t, emptyFrames, zstds, 1), "compress the body once"},
		"empty frames, twice":         {"zstd, zstd, zstd", packing(t, emptyFrames, zstds, 2), "compress the body once"},
		"empty frames in other ones":  {"zstd, gzip", packing(t, emptyFrames, gzips, 1), "compress the body once"},
		"as large as it may be, once": {"gzip", packing(t, bytes.Repeat([]byte("\n"), 8<<20), gzips, 1), ""},
	} {
		in := New(openGateway(t), Config{})
		_, err := in.Push(t.Context(), packedRequest("192.0.2.1", tt.encoding, tt.body))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", name, err, tt.says)
		}
	}
}

// TestTurnsOfUnpacking has a client that decompresses as many bodies as there are
// processors. Another one waits for its turn, unless it leaves.
func TestTurnsOfUnpacking(t *testing.T) {
	body := packing(t, []byte("m 1\n"), gzips, 1)
	for _, leaves := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := openGateway(t)
			in := New(g, Config{})
			busy := in.bodies.unpacking.Open("192.0.2.1")
			defer busy.Close()
			if err := busy.Wait(t.Context(), int64(runtime.GOMAXPROCS(0))); err != nil {
				t.Fatal(err)
			}
			more := make(chan error)
			for range 3 { // of the client that has all turns
				go func() {
					_, err := in.Push(t.Context(), packedRequest("192.0.2.1", "gzip", body))
					more <- err
				}()
			}
			synctest.Wait()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			other := make(chan error)
			go func() {
				r := packedRequest("192.0.2.2", "gzip", body)
				r.Key = "job/other"
				_, err := in.Push(ctx, r)
				other <- err
			}()
			synctest.Wait()
			if leaves {
				leave()
				time.Sleep(time.Minute)
				if err := <-other; !errors.Is(err, gateway.ErrGone) {
					t.Errorf("the client that leaves: %v", err)
				}
				busy.Close()
			} else {
				busy.Close()
				if err := <-other; err != nil {
					t.Errorf("the other client: %v", err)
				}
			}
			for range 3 {
				if err := <-more; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
