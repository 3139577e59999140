package httpapi_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// zstdOf packs each part as a frame of its own.
func zstdOf(t *testing.T, parts ...string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, part := range parts {
		all = z.EncodeAll([]byte(part), all)
	}
	return string(all)
}

// zstdStream packs without saying how much it is going to be.
func zstdStream(t *testing.T, text string, o ...zstd.EOption) string {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, o...)
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.Lines(text) {
		if _, err := io.WriteString(z, part); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pushPacked pushes a body that does not say how long it is.
func (w *twin) pushPacked(encoding string, body io.Reader) (status int, answer string) {
	r := httptest.NewRequest(http.MethodPut, "/metrics/job/a", body)
	r.Header.Set("Content-Encoding", encoding)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

func TestZstdBodies(t *testing.T) {
	const skippable = "\x53\x2a\x4d\x18\x03\x00\x00\x00abc"
	// A header with a window of 8 MiB and one of 16, and a block of 100 KiB that
	// is one byte again and again, and not the last.
	const window, tooWide, block = "\x28\xb5\x2f\xfd\x00\x68", "\x28\xb5\x2f\xfd\x00\x70", "\x02\x80\x0c#"
	good := zstdOf(t, "m 1\n")
	broken := []byte(good)
	broken[len(broken)-1] ^= 1
	for _, tt := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"one frame", good, 200, ""},
		{"several frames", zstdOf(t, "m 1\n", "n 1\n") + skippable + zstdOf(t, "o 1\n"), 200, ""},
		{"skippable frame first", skippable + good, 200, ""},
		{"unknown size", zstdStream(t, "m 1\nn 1\n"), 200, ""},
		{"nothing at all", "", 200, ""},
		{"no metrics", zstdStream(t, "", zstd.WithZeroFrames(true)), 200, ""},
		{"wrong checksum", string(broken), 400, `decompressing the body (Content-Encoding "zstd") after 0 bytes: CRC check failed`},
		{"cut off", good[:len(good)-5], 400, `decompressing the body (Content-Encoding "zstd") after`},
		{"header alone", window, 400, "EOF"},
		{"text", "m 1\n", 400, "the body is not zstd, as its Content-Encoding says; compress it, or leave out the header"},
		{"a few bytes", "m", 400, "the body is not zstd"},
		{"large window", tooWide + block, 400, "it needs a window of more than 8 MiB; compress it without --long and --ultra"},
		{"large when unpacked", zstdOf(t, strings.Repeat("#\n", 1<<20)), 413, "--push.max-body-bytes"},
		{"bomb", window + strings.Repeat(block, 100_000), 413, "--push.max-body-bytes"},
		{"bomb of frames", strings.Repeat(zstdOf(t, strings.Repeat("#\n", 1<<10)), 10_000), 413, "--push.max-body-bytes"},
		{"large as it comes", skippable + strings.Repeat(skippable, 200_000), 413, "--push.max-body-bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTwin(t, refillMode{}, time.Now)
			for range 2 { // the second gets what the first has left
				if status, answer := w.pushPacked("zstd", strings.NewReader(tt.body)); status != tt.status || !strings.Contains(answer, tt.says) {
					t.Errorf("got %d %q, want %d with %q", status, answer, tt.status, tt.says)
				}
			}
		})
	}
}

// stalled is a body that ends only when it is told to.
type stalled struct {
	io.Reader               // what comes before
	waiting   func()        // called once all that has been read
	end       chan struct{} // closed in the end
}

func (s *stalled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		s.waiting()
		<-s.end
	}
	return n, err
}

// TestStalledBodies begins as many packed bodies as may be in flight, with the
// header that asks for most. They take no more memory than is counted, and
// more of them are refused.
func TestStalledBodies(t *testing.T) {
	for encoding, begin := range map[string]string{"zstd": "\x28\xb5\x2f\xfd\x00\x68\x02\x80\x0c#", "gzip": "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00", "snappy": "\xff\x06\x00\x00sNaPpY"} {
		t.Run(encoding, func(t *testing.T) {
			const fit = 64 // bodies of 16 KiB, in the 1 MiB of the twin
			w, before := newTwin(t, refillMode{}, time.Now), heap()
			end := make(chan struct{})
			var waiting, done sync.WaitGroup
			for range fit {
				waiting.Add(1)
				body := &stalled{strings.NewReader(begin), waiting.Done, end}
				done.Go(func() { w.pushPacked(encoding, body) })
			}
			waiting.Wait()
			if grown := heap() - before; grown > 8<<20 {
				t.Errorf("bodies of 1 MiB take %d bytes", grown)
			}
			if status, answer := w.pushPacked(encoding, strings.NewReader(begin)); status != http.StatusTooManyRequests {
				t.Errorf("one more: got %d %q", status, answer)
			}
			close(end)
			done.Wait()
			if status, answer := w.pushPacked("", strings.NewReader("m 1\n")); status != http.StatusOK {
				t.Errorf("after the others have ended: got %d %q", status, answer)
			}
		})
	}
}

// heap is what is in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
