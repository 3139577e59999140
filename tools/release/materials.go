package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// materials writes the bill of materials: every module that is in one of the
// binaries, by what the binaries themselves say.
func (r *release) materials(built []platform) error {
	components := make(map[string]cyclonedx.Component)
	var programs []string
	for _, p := range built {
		programs = append(programs, r.programs(p)...)
	}
	for _, path := range programs {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return err
		}
		components["std"] = component("std", strings.TrimPrefix(info.GoVersion, "go"))
		for _, m := range info.Deps {
			components[m.Path] = component(m.Path, m.Version)
		}
	}
	var all []cyclonedx.Component
	for _, c := range components {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b cyclonedx.Component) int { return strings.Compare(a.Name, b.Name) })
	bom := cyclonedx.NewBOM()
	program := component("pushgateway", r.version)
	program.Type = cyclonedx.ComponentTypeApplication
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.date.Format(time.RFC3339), Component: &program}
	bom.Components = &all
	var b bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "pushgateway-"+r.version+".cdx.json"), b.Bytes(), 0o644)
}

func component(path, version string) cyclonedx.Component {
	url := "pkg:golang/" + path + "@" + version
	return cyclonedx.Component{BOMRef: url, PackageURL: url, Type: cyclonedx.ComponentTypeLibrary, Name: path, Version: version}
}

// checksums writes SHA256SUMS of all files, for `sha256sum -c`.
func (r *release) checksums() error {
	files, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.out, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(b), f.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
