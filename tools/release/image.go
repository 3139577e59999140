package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nobody is the user that the container runs as.
const nobody = 65534

// image writes the image of a platform as an OCI archive. There is one for
// each platform, since `podman load` takes none with two.
func (r *release) image(p platform) error {
	img, err := r.imageOf(p)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "oci")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	name := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "pushgateway:" + r.version})
	if err := archive.AppendImage(img, name); err != nil {
		return err
	}
	return r.pack(dir, r.file(p)+".oci.tar")
}

// imageOf is the image of a platform: the binary, its licences, and a directory
// for data.
func (r *release) imageOf(p platform) (v1.Image, error) {
	files, err := r.filesystem(p)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(9))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "make release"}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.os, p.arch, v1.Time{Time: r.date}
	config.Config = r.runtime()
	return mutate.ConfigFile(img, config)
}

// runtime is how the image is run.
func (r *release) runtime() v1.Config {
	return v1.Config{
		User:         fmt.Sprintf("%d:%d", nobody, nobody),
		Entrypoint:   []string{"/bin/pushgateway"},
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD", "/bin/pushgateway", "healthcheck"}, StartPeriod: 5 * time.Minute},
		ExposedPorts: map[string]struct{}{"9091/tcp": {}},
		Volumes:      map[string]struct{}{"/pushgateway": {}},
		WorkingDir:   "/pushgateway",
		StopSignal:   "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "pushgateway",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.revision,
			"org.opencontainers.image.created":  r.date.Format(time.RFC3339),
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
}

// filesystem is the only layer of the image, as a tar.
func (r *release) filesystem(p platform) ([]byte, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "pushgateway/", Typeflag: tar.TypeDir, Mode: 0o750, Uid: nobody, Gid: nobody},
		{Name: "usr/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "usr/share/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "usr/share/doc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "usr/share/doc/pushgateway/", Typeflag: tar.TypeDir, Mode: 0o755},
	} {
		h.ModTime = r.date
		if err := t.WriteHeader(&h); err != nil {
			return nil, err
		}
	}
	entries := []entry{{"bin/pushgateway", r.binary(p), 0o755}}
	for _, e := range r.legalFiles(p) {
		entries = append(entries, entry{"usr/share/doc/pushgateway/" + e.name, e.path, e.mode})
	}
	if err := r.addAll(t, entries); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// pack makes an archive of a directory.
func (r *release) pack(dir, name string) error {
	var entries []entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		entries = append(entries, entry{filepath.ToSlash(rel), path, 0o644})
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	t := tar.NewWriter(f)
	return errors.Join(r.addAll(t, entries), t.Close(), f.Close())
}
