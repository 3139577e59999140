package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// chartDirectory is the chart, whose archive begins with the chart's name.
const chartDirectory = "deploy/helm/pushgateway"

// chart packs the Helm chart. `helm package` writes when it was run, so that
// no two archives would be the same.
func (r *release) chart() error {
	var entries []entry
	dir := filepath.Join(r.root, chartDirectory)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(dir), path)
		entries = append(entries, entry{filepath.ToSlash(rel), path, 0o644})
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.out, "pushgateway-chart-"+r.version+".tgz"))
	if err != nil {
		return err
	}
	return errors.Join(r.tarball(f, entries), f.Close())
}
