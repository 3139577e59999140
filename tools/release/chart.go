package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// imageDefault is the line of values.yaml with the image, up to its name.
const imageDefault = "\n  repository: "

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
	for _, name := range []string{"LICENSE", "NOTICE"} {
		entries = append(entries, entry{"pushgateway/" + name, filepath.Join(r.root, name), 0o644})
	}
	if err := r.addOrigin(entries); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.out, "pushgateway-chart-"+r.version+".tgz"))
	if err != nil {
		return err
	}
	return errors.Join(r.tarball(f, entries), f.Close())
}

// addOrigin adds the address of the chart and its image to the files that name
// them, beside the originals.
func (r *release) addOrigin(entries []entry) error {
	for i, e := range entries {
		var change func(string) (string, error)
		switch e.name {
		case "pushgateway/Chart.yaml":
			change = r.addHome
		case "pushgateway/values.yaml":
			change = r.addRegistry
		case "pushgateway/files/jobs.rules.yml", "pushgateway/files/pushgateway.rules.yml":
			change = r.addRunbooks
		default:
			continue
		}
		content, err := os.ReadFile(e.path)
		if err != nil {
			return err
		}
		changed, err := change(string(content))
		if err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		entries[i].path = filepath.Join(r.out, "bin", path.Base(e.name))
		if err := os.WriteFile(entries[i].path, []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) addHome(chart string) (string, error) {
	if r.from.url == "" {
		return chart, nil
	}
	return chart + "home: " + r.from.url + "\nsources: [" + r.from.url + "]\n", nil
}

func (r *release) addRegistry(values string) (string, error) {
	if r.from.registry == "" {
		return values, nil
	}
	if strings.Count(values, imageDefault) != 1 {
		return "", errors.New("values.yaml must set image.repository exactly once; adapt addRegistry to the new form")
	}
	return strings.Replace(values, imageDefault, imageDefault+r.from.registry+"/", 1), nil
}

// addRunbooks completes the links of alerts, which begin with a directory of the
// repository.
func (r *release) addRunbooks(rules string) (string, error) {
	if r.from.url == "" {
		return rules, nil
	}
	return strings.ReplaceAll(rules, `runbook_url: "docs/`, `runbook_url: "`+r.from.url+"/blob/v"+r.version+"/docs/"), nil
}
