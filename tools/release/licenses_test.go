package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// allowed are the licences that what is in the program may have.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "ISC"}

// texts are parts of what has to be passed on, by file: of the project, of a
// module, of a part of a module that comes from elsewhere, of Go, of the page.
var texts = map[string][]string{
	"LICENSE": {"Apache License"},
	"NOTICE":  {"The Pushgateway maintainers", "github.com/prometheus/client_golang", "SoundCloud Ltd."},
	"THIRD-PARTY-LICENSES.txt": {"go.etcd.io/bbolt", "Ben Johnson", "Caleb Spare", "The Go Authors", "  uPlot 1.6.", "Leon Sorokin",
		"github.com/klauspost/compress", "The Snappy-Go Authors"},
}

// TestLicenses looks for the licences in what is published for a platform, and
// in the bill of materials.
func TestLicenses(t *testing.T) {
	dist := made(t, "v1.0.0", here)
	t.Run("archive", func(t *testing.T) {
		f, err := os.Open(one(t, dist, "tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		packed, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		expectTexts(t, contents(t, packed))
	})
	t.Run("image", func(t *testing.T) {
		files := contents(t, imageFiles(t, one(t, dist, "linux-"+runtime.GOARCH+".oci.tar")))
		expectTexts(t, files)
		if shell := "mvdan.cc/sh/v3"; !strings.Contains(files["THIRD-PARTY-LICENSES.txt"], shell) {
			t.Errorf("%s, which the shell is made of, is not in THIRD-PARTY-LICENSES.txt", shell)
		}
	})
	t.Run("deb", func(t *testing.T) {
		if _, err := exec.LookPath("dpkg-deb"); err != nil {
			t.Skip("dpkg-deb is missing")
		}
		files := contents(t, strings.NewReader(run(t, "dpkg-deb", "--fsys-tarfile", one(t, dist, "deb"))))
		files["LICENSE"] = files["copyright"] // as Debian calls it
		expectTexts(t, files)
	})
	t.Run("rpm", func(t *testing.T) {
		if _, err := exec.LookPath("rpm"); err != nil {
			t.Skip("rpm is missing")
		}
		names := run(t, "rpm", "--query", "--licensefiles", "--package", one(t, dist, "rpm"))
		for _, name := range legalNames {
			if !strings.Contains(names, "/licenses/pushgateway/"+name) {
				t.Errorf("%s is not in\n%s", name, names)
			}
		}
	})
	t.Run("chart", func(t *testing.T) {
		f, err := os.Open(one(t, dist, "tgz"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		packed, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		files := contents(t, packed)
		for name, text := range map[string]string{"LICENSE": "Apache License", "NOTICE": "The Pushgateway maintainers", "Chart.yaml": "\nhome: " + published.url + "\n", "values.yaml": "\n  repository: ghcr.io/someone/pushgateway ",
			"pushgateway.rules.yml": `runbook_url: "` + published.url + "/blob/v1.0.0/docs/operations.md#", "jobs.rules.yml": `runbook_url: "` + published.url + "/blob/v1.0.0/docs/"} {
			if !strings.Contains(files[name], text) {
				t.Errorf("%s lacks %q:\n%s", name, text, files[name])
			}
		}
	})
	t.Run("bill of materials", func(t *testing.T) { expectLicensed(t, read(t, one(t, dist, "cdx.json"))) })
}

func expectTexts(t *testing.T, files map[string]string) {
	t.Helper()
	for name, parts := range texts {
		for _, part := range parts {
			if !strings.Contains(files[name], part) {
				t.Errorf("%q is not in %s", part, name)
			}
		}
	}
}

// contents are the files of a tar, by their names without directories. Files of a
// chart within a chart are left out.
func contents(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(h.Name, "/charts/") {
			continue
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, archive); err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(h.Name)] = b.String()
	}
}

// imageFiles are all files of an image, as a tar.
func imageFiles(t *testing.T, archive string) io.Reader {
	t.Helper()
	dir := t.TempDir()
	run(t, "tar", "-xf", archive, "-C", dir)
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	files := mutate.Extract(img)
	t.Cleanup(func() { files.Close() })
	return files
}

// expectLicensed looks whether all that is in a bill of materials has a
// licence, and that it may have.
func expectLicensed(t *testing.T, bom string) {
	t.Helper()
	var read struct {
		Components []struct {
			Name, Version, PURL string
			Licenses            []struct {
				Expression string
				License    struct{ ID string }
			}
		}
	}
	if err := json.Unmarshal([]byte(bom), &read); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, c := range read.Components {
		names[c.Name] = true
		if len(c.Licenses) != 1 || c.Version == "" || !strings.HasPrefix(c.PURL, "pkg:") {
			t.Errorf("%+v", c)
			continue
		}
		for id := range strings.SplitSeq(c.Licenses[0].Expression+c.Licenses[0].License.ID, " AND ") {
			if !slices.Contains(allowed, id) {
				t.Errorf("%s has the licence %q", c.Name, id)
			}
		}
	}
	for _, name := range []string{"std", "uPlot", "go.etcd.io/bbolt", "mvdan.cc/sh/v3"} {
		if !names[name] {
			t.Errorf("%s is not in\n%s", name, bom)
		}
	}
}

// TestNoLicense makes sure that nothing without a licence, or with an unknown
// one, gets into a release.
func TestNoLicense(t *testing.T) {
	dir := t.TempDir()
	if _, err := materialOf("a", "1", "", []string{dir}); err == nil {
		t.Error("a module without a licence was taken")
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("Nobody may use this.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := materialOf("a", "1", "", []string{dir}); err == nil {
		t.Error("a module with an unknown licence was taken")
	}
}
