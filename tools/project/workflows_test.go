package project

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflows are the files of all workflows.
func workflows(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + ".github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

// TestActionlint reads the workflows as GitHub does, and their scripts with
// shellcheck where it is installed.
func TestActionlint(t *testing.T) {
	args := append([]string{"tool", "actionlint", "-no-color"}, workflows(t)...)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// workflow is what the tests look at.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Uses        string
		Permissions map[string]string
		Steps       []struct {
			Name, Uses, Run string
			With            map[string]any
		}
	}
}

func parse(t *testing.T, file string) (w workflow) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, strings.TrimPrefix(file, root))), &w); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return w
}

// pin is an action at a commit, with the version that this is.
var pin = regexp.MustCompile(`(?m)^\s*(?:- )?uses: (?:\./|[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)`)

func TestActionsArePinned(t *testing.T) {
	for _, file := range workflows(t) {
		text := read(t, strings.TrimPrefix(file, root))
		if all, pinned := strings.Count(text, "uses: "), len(pin.FindAllString(text, -1)); all == 0 || all != pinned {
			t.Errorf("%s: %d of %d actions are at a commit whose version is said", file, pinned, all)
		}
	}
}

// writers are the jobs that may write, and what.
var writers = map[string]string{"release.yml publish": "attestations contents id-token packages"}

// TestPermissions looks whether nothing but what publishes may write, and
// whether that runs no build and no test, which are code of many.
func TestPermissions(t *testing.T) {
	for _, file := range workflows(t) {
		w := parse(t, file)
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s: by default jobs may %v", file, w.Permissions)
		}
		for name, job := range w.Jobs {
			allowed := writers[filepath.Base(file)+" "+name]
			for what, how := range job.Permissions {
				if how == "write" && !strings.Contains(" "+allowed+" ", " "+what+" ") {
					t.Errorf("%s: the job %s may write %s", file, name, what)
				}
			}
			for _, step := range job.Steps {
				if allowed != "" && strings.Contains(step.Run, "make ") {
					t.Errorf("%s: the job %s may write, and runs %q", file, name, step.Run)
				}
				if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != false {
					t.Errorf("%s: the job %s leaves its token in the checkout", file, name)
				}
			}
		}
	}
}

// TestReleaseDoesEverything looks for the parts of a release, in order.
func TestReleaseDoesEverything(t *testing.T) {
	text := read(t, ".github/workflows/release.yml")
	at := 0
	for _, part := range []string{`tags: ["v`, "test.yml", "scripts/changelog notes", "make release", "sha256sum --check", "scripts/publish",
		"cosign sign-blob", `cosign sign --yes --recursive "$IMAGE"`, `cosign sign --yes "$CHART"`, "attest-build-provenance", "gh release create"} {
		next := strings.Index(text[at:], part)
		if next < 0 {
			t.Fatalf("%q is missing, or comes too early", part)
		}
		at += next
	}
}

// TestUntriedIsMarked looks whether each step that needs GitHub says so.
func TestUntriedIsMarked(t *testing.T) {
	_, publish, _ := strings.Cut(read(t, ".github/workflows/release.yml"), "\n  publish:")
	for _, step := range []string{"id: push", "cosign-installer@", "attest-build-provenance@", "gh release create"} {
		before, _, found := strings.Cut(publish, step)
		if !found || !strings.Contains(before[strings.LastIndex(before, "\n\n"):], "# Not tried: ") {
			t.Errorf("nothing says that %q was not tried", step)
		}
	}
}
