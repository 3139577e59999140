package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Users of the image. nobody is the one that it runs as, as upstream's does.
// nonroot is the one of upstream's distroless image, whose volumes may be taken
// over.
const (
	nobody  = 65534
	nonroot = 65532
)

// The users and groups by name. nobody is a member of nonroot, so that it can
// write where that group can.
const (
	passwd = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/pushgateway:/bin/sh
nonroot:x:65532:65532:nonroot:/pushgateway:/bin/sh
`
	groups = `root:x:0:
nobody:x:65534:
nogroup:x:65534:
nonroot:x:65532:nobody
`
)

// hasImage tells for which platforms there are images.
func (p platform) hasImage() bool {
	return p.os == "linux" && (p.arch == "amd64" || p.arch == "arm64")
}

// reference is the name under which engines load the image.
func (r *release) reference() string { return "pushgateway:" + r.version }

// named are the annotations from which podman, and containerd, take that name.
func (r *release) named() layout.Option {
	return layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": r.reference(),
		"io.containerd.image.name":          "docker.io/library/" + r.reference(),
	})
}

// image writes the image of a platform as one archive that is in both formats:
// OCI, and that of `docker save`, which Docker before 25 needs.
func (r *release) image(p platform) error {
	img, err := r.imageOf(p)
	if err != nil {
		return err
	}
	r.images = append(r.images, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}}})
	return r.archiveLayout(r.file(p), func(archive layout.Path) error {
		if err := archive.AppendImage(img, r.named()); err != nil {
			return err
		}
		return r.describeForDocker(img, string(archive))
	})
}

// multiarch writes all images under one name, for registries: `skopeo copy
// --all` pushes them.
func (r *release) multiarch() error {
	if len(r.images) == 0 {
		return nil
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), r.images...)
	return r.archiveLayout("pushgateway-"+r.version+".multiarch", func(archive layout.Path) error {
		return archive.AppendIndex(index, r.named())
	})
}

// archiveLayout packs an OCI layout that fill puts images into.
func (r *release) archiveLayout(name string, fill func(layout.Path) error) error {
	dir, err := os.MkdirTemp("", "oci")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	if err := fill(archive); err != nil {
		return err
	}
	return r.pack(dir, name+".oci.tar")
}

// describeForDocker adds the file in which `docker load` looks for the parts of
// an image.
func (r *release) describeForDocker(img v1.Image, dir string) error {
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	blob := func(d v1.Descriptor) string { return "blobs/" + d.Digest.Algorithm + "/" + d.Digest.Hex }
	described := tarball.Descriptor{Config: blob(manifest.Config), RepoTags: []string{r.reference()}}
	for _, layer := range manifest.Layers {
		described.Layers = append(described.Layers, blob(layer))
	}
	b, err := json.Marshal(tarball.Manifest{described})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), b, 0o644)
}

// imageOf is the image of a platform, with one layer.
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

// runtime is how the image is run: as upstream's is. The user has no group of
// its own here, since engines then look its groups up in the image. There is
// no health check and no volume, which nobody could take out again.
func (r *release) runtime() v1.Config {
	config := v1.Config{
		User:         strconv.Itoa(nobody),
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Entrypoint:   []string{"/bin/pushgateway"},
		ExposedPorts: map[string]struct{}{"9091/tcp": {}},
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
	if r.from.url != "" {
		config.Labels["org.opencontainers.image.source"] = r.from.url
	}
	return config
}

// shellPrograms are the further names of the shell: the programs of busybox that
// health checks, hooks and entrypoints run most.
var shellPrograms = []string{"cat", "chmod", "cp", "grep", "ls", "mkdir", "mv", "nc", "rm", "sleep", "touch"}

// file is a file of the image, or a directory, or a link.
type file struct {
	tar.Header
	content []byte
}

// filesystem is the only layer of the image, as a tar.
func (r *release) filesystem(p platform) ([]byte, error) {
	binary, err := os.ReadFile(r.binary(p))
	if err != nil {
		return nil, err
	}
	shell, err := os.ReadFile(r.shell(p).path)
	if err != nil {
		return nil, err
	}
	licenses, err := r.legalTexts(p, r.programs(p))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, f := range files(binary, shell, licenses) {
		f.ModTime, f.Size = r.date, int64(len(f.content))
		if err := t.WriteHeader(&f.Header); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// files are all files of the image. Data may lie in /pushgateway, the working
// directory, or in /data, where the community's chart and most compose files
// mount a volume. Any user may write to both: a new volume takes this over.
func files(binary, shell []byte, licenses []text) []file {
	directory := func(name string, mode int64, owner int) file {
		return file{Header: tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode, Uid: owner, Gid: owner}}
	}
	regular := func(name string, mode int64, content []byte) file {
		return file{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}, content: content}
	}
	link := func(name, to string) file {
		return file{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: to}}
	}
	all := []file{
		directory("bin/", 0o755, 0),
		regular("bin/pushgateway", 0o755, binary),
		regular("bin/sh", 0o755, shell),
	}
	for _, name := range shellPrograms {
		all = append(all, link("bin/"+name, "sh"))
	}
	all = append(all,
		link("bin/wget", "pushgateway"),
		directory("data/", 0o777, nobody),
		directory("etc/", 0o755, 0),
		regular("etc/group", 0o644, []byte(groups)),
		regular("etc/passwd", 0o644, []byte(passwd)),
		directory("pushgateway/", 0o777, nobody),
		directory("root/", 0o700, 0),
		directory("tmp/", 0o1777, 0),
		directory("usr/", 0o755, 0),
		directory("usr/share/", 0o755, 0),
		directory("usr/share/doc/", 0o755, 0),
		directory("usr/share/doc/pushgateway/", 0o755, 0),
	)
	for _, l := range licenses {
		all = append(all, regular("usr/share/doc/pushgateway/"+l.name, 0o644, []byte(l.content)))
	}
	return all
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
