package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// beside are the files that an archive has beside the binary.
var beside = []string{"README.md", "CHANGELOG.md", "deploy/package/pushgateway.service", "deploy/package/pushgateway.default"}

// entry is a file of an archive.
type entry struct {
	name, path string
	mode       int64
}

// archive packs the binary of a platform: a zip for Windows, or else a tar.gz.
func (r *release) archive(p platform) error {
	write, name, program := r.tarball, r.file(p)+".tar.gz", "pushgateway"
	if p.os == "windows" {
		write, name, program = r.zip, r.file(p)+".zip", "pushgateway.exe"
	}
	entries := []entry{{r.file(p) + "/" + program, r.binary(p), 0o755}}
	for _, path := range beside {
		entries = append(entries, entry{r.file(p) + "/" + filepath.Base(path), filepath.Join(r.root, path), 0o644})
	}
	for _, e := range r.legalFiles(p) {
		entries = append(entries, entry{r.file(p) + "/" + e.name, e.path, e.mode})
	}
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	return errors.Join(write(f, entries), f.Close())
}

func (r *release) tarball(w io.Writer, entries []entry) error {
	packed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(packed)
	return errors.Join(r.addAll(t, entries), t.Close(), packed.Close())
}

// addAll adds files to an archive.
func (r *release) addAll(t *tar.Writer, entries []entry) error {
	for _, e := range entries {
		b, err := os.ReadFile(e.path)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(b)), ModTime: r.date}); err != nil {
			return err
		}
		if _, err := t.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) zip(w io.Writer, entries []entry) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		b, err := os.ReadFile(e.path)
		if err != nil {
			return err
		}
		to, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: r.date})
		if err != nil {
			return err
		}
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
	return z.Close()
}
