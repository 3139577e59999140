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

// materials writes the bill of materials: everything that is in one of the
// binaries, with its licence. What the binaries themselves say has to be among
// it.
func (r *release) materials(built []platform) error {
	components := make(map[string]cyclonedx.Component) // by package URL: programs may have a module in two versions
	for _, p := range built {
		all, err := r.ingredients(p, r.programs(p))
		if err != nil {
			return err
		}
		for _, m := range all {
			components[m.url] = component(m.name, m.version, m.url, m.license)
		}
		for _, of := range r.programs(p) {
			if err := compare(of, components); err != nil {
				return err
			}
		}
	}
	var all []cyclonedx.Component
	for _, c := range components {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b cyclonedx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	bom := cyclonedx.NewBOM()
	program := component("pushgateway", r.version, "pkg:golang/pushgateway@"+r.version, "Apache-2.0")
	program.Type = cyclonedx.ComponentTypeApplication
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.date.Format(time.RFC3339), Component: &program}
	bom.Components = &all
	var b bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "pushgateway-"+r.version+".cdx.json"), b.Bytes(), 0o644)
}

// compare looks whether everything that a binary says it has is listed.
func compare(of program, components map[string]cyclonedx.Component) error {
	info, err := buildinfo.ReadFile(of.path)
	if err != nil {
		return err
	}
	for _, m := range info.Deps {
		if _, ok := components[goURL(m.Path, m.Version)]; !ok {
			return fmt.Errorf("%s has %s %s, which go list does not tell of", of.path, m.Path, m.Version)
		}
	}
	if _, ok := components[goURL("std", strings.TrimPrefix(info.GoVersion, "go"))]; !ok {
		return fmt.Errorf("%s was built by %s, but go env tells of another Go: build with one alone", of.path, info.GoVersion)
	}
	return nil
}

func component(name, version, url, license string) cyclonedx.Component {
	licenses := cyclonedx.Licenses{{License: &cyclonedx.License{ID: license}}}
	if strings.Contains(license, " ") {
		licenses = cyclonedx.Licenses{{Expression: license}}
	}
	return cyclonedx.Component{BOMRef: url, PackageURL: url, Type: cyclonedx.ComponentTypeLibrary, Name: name, Version: version, Licenses: &licenses}
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
