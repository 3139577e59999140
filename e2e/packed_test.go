package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestPackedScrapes scrapes with gzip while groups change. Go, curl and zlib must
// read what other scrapes get without compression.
func TestPackedScrapes(t *testing.T) {
	s := start(t)
	body := func(n int) string {
		var b strings.Builder
		for i := range 20 {
			fmt.Fprintf(&b, "m{shard=\"%d\",stage=\"transform\"} %d\n", i, n*i)
		}
		return b.String()
	}
	for n := range 200 {
		s.push(fmt.Sprintf("/metrics/job/j/instance/i-%d", n), body(n), 200)
	}
	const path = "/metrics?own=false"
	for n := range 10 {
		s.push(fmt.Sprintf("/metrics/job/j/instance/i-%d", n*19), body(1000+n), 200)
		want := s.get(path).body
		z, err := gzip.NewReader(strings.NewReader(s.get(path, "Accept-Encoding", "gzip").body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || string(got) != want {
			t.Fatalf("Go reads %d bytes of %d, %v", len(got), len(want), err)
		}
	}
	want := s.get(path).body
	for _, command := range [][]string{
		{"curl", "-sS", "--compressed", s.base + path},
		{"python3", "-c", `import sys, urllib.request, zlib
r = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Accept-Encoding": "gzip"}))
sys.stdout.buffer.write(zlib.decompress(r.read(), 31))`, s.base + path},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("not tried: %v", err)
			continue
		}
		if got, err := exec.Command(command[0], command[1:]...).Output(); err != nil || string(got) != want {
			t.Errorf("%s reads %d bytes of %d, %v", command[0], len(got), len(want), err)
		}
	}
}
