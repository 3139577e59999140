// Package layout holds the packages to the plan of the house: imports point
// down only.
package layout

import (
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// floors are the packages from the top of the house down. A package may import
// only from floors below its own, and nobody on its own.
var floors = [][]string{
	{"cmd/pushgateway"},
	{"internal/server", "internal/jobrun"},
	{"internal/storage"},
	{"internal/connections", "internal/httpapi", "internal/webui", "internal/telemetry", "internal/boltjournal", "internal/natsjournal", "internal/gobfile", "internal/client"},
	{"internal/record", "internal/intake", "internal/scrape", "internal/jobs"}, // what all journals store; how pushes come in; what all scrapes get; how jobs are
	{"internal/gateway", "internal/live"},
	{"internal/login"}, // who sends requests
	{"internal/access"},
	{"internal/config", "internal/sums"}, // what the file says; who makes something of it stands above
	{"internal/exposition", "internal/selector", "internal/otlp"},
	{"internal/grouping"}, // keys are made of labels
	{"internal/metric", "internal/sniff", "internal/guard", "internal/compression", "internal/listen", "internal/accesslog", "internal/trouble"},
	{"internal/excerpt", "internal/nearest", "internal/duration"},
}

// outside are packages that are not part of the binary.
var outside = []string{"attack", "bench", "browser", "crash", "e2e", "internal/testproc", "internal/jobstest", "internal/journaltest", "internal/natstest", "internal/layout"}

// TestReleasedPackages looks that what only tests need is not in the binary.
func TestReleasedPackages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "pushgateway/cmd/pushgateway").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for path := range strings.Lines(string(out)) {
		if path = strings.TrimSpace(path); strings.HasPrefix(path, "github.com/nats-io/nats-server/") || path == "pushgateway/internal/natstest" {
			t.Errorf("the binary contains %s, which is for tests", path)
		}
	}
}

type pkg struct {
	ImportPath, Doc string
	Imports         []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// floor is how far up a package stands, -1 outside of the house.
func floor(path string) int {
	for i, names := range floors {
		for _, name := range names {
			if path == "pushgateway/"+name {
				return len(floors) - i
			}
		}
	}
	return -1
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		mine := floor(p.ImportPath)
		if mine < 0 {
			continue
		}
		for _, path := range p.Imports {
			if strings.HasPrefix(path, "pushgateway/") && floor(path) >= mine {
				t.Errorf("%s imports %s, which is not below it", p.ImportPath, path)
			}
			if strings.HasPrefix(path, "pushgateway/") && floor(path) < 0 {
				t.Errorf("%s imports %s, which is not part of the house", p.ImportPath, path)
			}
		}
	}
}

func TestEveryPackageHasItsPlaceAndSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		known := floor(p.ImportPath) >= 0
		for _, name := range outside {
			known = known || p.ImportPath == "pushgateway/"+name
		}
		if !known {
			t.Errorf("%s is on no floor: add it to floors, and to docs/design.md", p.ImportPath)
		}
		if p.Doc == "" && floor(p.ImportPath) >= 0 {
			t.Errorf("%s has no doc comment", p.ImportPath)
		}
	}
}
