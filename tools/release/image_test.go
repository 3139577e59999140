package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// imagesOf makes the images of both platforms of programs that are none.
func imagesOf(t *testing.T) *release {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	r := &release{root: root, out: t.TempDir(), version: "1.0.0"}
	if err := os.Mkdir(filepath.Join(r.out, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range platforms {
		if !p.hasImage() {
			continue
		}
		for _, program := range r.programs(p) {
			if err := os.WriteFile(program.path, []byte(program.path), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.image(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.multiarch(); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestImage reads an archive as Docker did before it knew OCI.
func TestImage(t *testing.T) {
	r := imagesOf(t)
	img, err := tarball.ImageFromPath(filepath.Join(r.out, "pushgateway-1.0.0.linux-arm64.oci.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "arm64" || config.Config.User != "65534" || config.Config.Healthcheck != nil || config.Config.Volumes != nil {
		t.Errorf("%+v", config)
	}
	want := []string{
		"bin/ 755 0:0", "bin/pushgateway 755 0:0", "bin/sh 755 0:0",
		"bin/cat 777 0:0 sh", "bin/chmod 777 0:0 sh", "bin/cp 777 0:0 sh", "bin/grep 777 0:0 sh", "bin/ls 777 0:0 sh", "bin/mkdir 777 0:0 sh",
		"bin/mv 777 0:0 sh", "bin/nc 777 0:0 sh", "bin/rm 777 0:0 sh", "bin/sleep 777 0:0 sh", "bin/touch 777 0:0 sh", "bin/wget 777 0:0 pushgateway",
		"data/ 777 65534:65534", "etc/ 755 0:0", "etc/group 644 0:0", "etc/passwd 644 0:0", "pushgateway/ 777 65534:65534", "root/ 700 0:0", "tmp/ 1777 0:0",
		"usr/ 755 0:0", "usr/share/ 755 0:0", "usr/share/doc/ 755 0:0", "usr/share/doc/pushgateway/ 755 0:0", "usr/share/doc/pushgateway/LICENSE 644 0:0",
		"usr/share/doc/pushgateway/NOTICE 644 0:0", "usr/share/doc/pushgateway/THIRD-PARTY-LICENSES.txt 644 0:0",
	}
	if got := listing(t, img); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// listing is what is in the layers of an image.
func listing(t *testing.T, img v1.Image) (all []string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		unpacked, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(unpacked); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %o %d:%d %s", h.Name, h.Mode, h.Uid, h.Gid, h.Linkname)))
		}
	}
	return all
}

// TestMultiarch reads the archive of all platforms as registries' tools do.
func TestMultiarch(t *testing.T) {
	r := imagesOf(t)
	dir := t.TempDir()
	unpack(t, filepath.Join(r.out, "pushgateway-1.0.0.multiarch.oci.tar"), dir)
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	named, err := top.IndexManifest()
	if err != nil || len(named.Manifests) != 1 || named.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "pushgateway:1.0.0" {
		t.Fatalf("%v, %+v", err, named)
	}
	index, err := top.ImageIndex(named.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range manifests.Manifests {
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Platform.String(), config.Architecture)
	}
	if want := []string{"linux/amd64", "amd64", "linux/arm64", "arm64"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func unpack(t *testing.T, path, dir string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader([]byte(read(t, path)))); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, h.Name)
		b, err := io.ReadAll(r)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}
