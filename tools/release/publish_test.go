package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestPublish pushes the image for all architectures and the chart to a
// registry of this process, and gets them by the digests that are printed.
func TestPublish(t *testing.T) {
	needsTime(t)
	version := strings.TrimSpace(read(t, "../../"+versionFile))
	dist := made(t, version, "linux/amd64,linux/arm64")
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")

	printed := make(map[string]string)
	for line := range strings.Lines(publish(t, dist, address)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		printed[key] = value
	}
	if !strings.HasPrefix(printed["image_digest"], "sha256:") {
		t.Errorf("no digest of the image: %v", printed)
	}
	index, err := remote.Index(reference(t, printed["image"]))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	if got := strings.Join(platforms, " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("the image is for %s", got)
	}
	if tagged, err := remote.Head(reference(t, address+"/pushgateway:"+version)); err != nil || tagged.Digest.String() != printed["image_digest"] {
		t.Errorf("the tag leads to %v, %v; want %s", tagged, err, printed["image_digest"])
	}
	if _, err := remote.Head(reference(t, printed["chart"])); err != nil {
		t.Errorf("the chart: %v", err)
	}
	if err := os.Remove(filepath.Join(dist, "pushgateway-"+version+".linux-arm64.oci.tar")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("../../scripts/publish", dist, address).CombinedOutput(); err == nil {
		t.Errorf("half of the images were published:\n%s", out)
	}
}

// publish runs the script and gives what it prints to its standard output.
func publish(t *testing.T, dist, address string) string {
	t.Helper()
	out, err := exec.Command("../../scripts/publish", dist, address).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("%v\n%s", err, failed.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func reference(t *testing.T, s string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
