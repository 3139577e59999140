package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// material is something of others that is in a program.
type material struct {
	name, version string
	url           string // as package URLs have it
	license       string // an SPDX expression
	licenses      []text
	notices       []text
}

// text is a file as it came, under a name for people.
type text struct{ name, content string }

// legal are the names of files that have to be passed on.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright|patents|notice)\b`)

// listed is a package as `go list` tells of it.
type listed struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// ingredients are all materials of programs of a platform, the gateway among
// them, in order. It is an error if the licence of one is missing or unknown.
func (r *release) ingredients(p platform, of []program) ([]material, error) {
	var packages []listed
	for _, one := range of {
		more, err := r.packagesOf(p, one)
		if err != nil {
			return nil, err
		}
		packages = append(packages, more...)
	}
	found, err := r.embedded()
	if err != nil {
		return nil, err
	}
	std, err := r.standardLibrary()
	if err != nil {
		return nil, err
	}
	found = append(found, std)
	directories := make(map[string][]string)
	for _, pkg := range packages {
		if m := pkg.Module; m != nil && !m.Main {
			directories[m.Path+"@"+m.Version] = append(directories[m.Path+"@"+m.Version], between(m.Dir, pkg.Dir)...)
		}
	}
	for module, dirs := range directories {
		path, version, _ := strings.Cut(module, "@")
		m, err := materialOf(path, version, goURL(path, version), dirs)
		if err != nil {
			return nil, err
		}
		found = append(found, m)
	}
	slices.SortFunc(found, func(a, b material) int { return strings.Compare(a.url, b.url) })
	return found, nil
}

// packagesOf lists what is compiled into a program of a platform.
func (r *release) packagesOf(p platform, of program) ([]listed, error) {
	cmd := r.command("go", "-C", of.module, "list", "-deps", "-json=Dir,Standard,Module", of.pkg)
	cmd.Env = append(os.Environ(), p.environment()...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg listed
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, pkg)
	}
}

// between are the directories from a module down to one of its packages: some
// modules have parts that come from elsewhere, with a licence beside them.
func between(module, pkg string) []string {
	dirs := []string{pkg}
	for pkg != module && len(pkg) > len(module) {
		pkg = filepath.Dir(pkg)
		dirs = append(dirs, pkg)
	}
	return dirs
}

// standardLibrary is what Go itself adds to each program.
func (r *release) standardLibrary() (material, error) {
	out, err := r.command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return material{}, fmt.Errorf("go env: %w", err)
	}
	home, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	version = strings.TrimPrefix(version, "go")
	return materialOf("std", version, goURL("std", version), []string{home})
}

// goURL is the package URL of a module.
func goURL(path, version string) string { return "pkg:golang/" + path + "@" + version }

// assets are the parts of the page that come from others. Each has a file
// NAME.LICENSE.txt, and a script that begins with its version.
const assets = "internal/webui/static/vendor"

var assetVersion = regexp.MustCompile(`^/\*!.*\(v([\d.]+)\)`)

// embedded are the materials of the page.
func (r *release) embedded() ([]material, error) {
	licenses, err := filepath.Glob(filepath.Join(r.root, assets, "*.LICENSE.txt"))
	if err != nil {
		return nil, err
	}
	var found []material
	for _, path := range licenses {
		name := strings.TrimSuffix(filepath.Base(path), ".LICENSE.txt")
		script, err := os.ReadFile(filepath.Join(r.root, assets, name+".iife.min.js"))
		if err != nil {
			return nil, err
		}
		version := assetVersion.FindSubmatch(script)
		if version == nil {
			return nil, fmt.Errorf("%s: its script does not begin with its version; look how it was made (scripts/vendor-uplot)", name)
		}
		m := material{name: name, version: string(version[1])}
		m.url = "pkg:npm/" + strings.ToLower(name) + "@" + m.version
		if err := m.add(path); err != nil {
			return nil, err
		}
		found = append(found, m)
	}
	return found, nil
}

// materialOf reads the licences and notices in directories.
func materialOf(name, version, url string, dirs []string) (material, error) {
	m := material{name: name, version: version, url: url}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		files, err := os.ReadDir(dir)
		if err != nil {
			return material{}, err
		}
		for _, f := range files {
			if f.IsDir() || !legal.MatchString(f.Name()) || strings.HasSuffix(f.Name(), ".go") {
				continue
			}
			if err := m.add(filepath.Join(dir, f.Name())); err != nil {
				return material{}, err
			}
		}
	}
	if m.license == "" {
		return material{}, fmt.Errorf("%s %s has no file with a licence: it cannot be passed on; replace it", name, version)
	}
	return m, nil
}

// add reads one file with a licence or a notice.
func (m *material) add(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t := text{filepath.Base(path), strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n"))}
	switch upper := strings.ToUpper(t.name); {
	case strings.HasPrefix(upper, "NOTICE"):
		m.notices = append(m.notices, t)
		return nil
	case strings.HasPrefix(upper, "PATENTS"):
		m.licenses = append(m.licenses, t)
		return nil
	}
	cover := licensecheck.Scan(b)
	if len(cover.Match) == 0 {
		return fmt.Errorf("%s: it is no licence that is known; look at it, and replace what it belongs to if it cannot be passed on", path)
	}
	ids := strings.Split(m.license, " AND ")
	for _, match := range cover.Match {
		ids = append(ids, match.ID)
	}
	slices.Sort(ids)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == "" })
	m.license = strings.Join(ids, " AND ")
	m.licenses = append(m.licenses, t)
	return nil
}

// legalNames are the files with licences and notices that every archive, package
// and image has.
var legalNames = []string{"LICENSE", "NOTICE", "THIRD-PARTY-LICENSES.txt"}

// legalFiles are what archives and packages have beside the gateway.
func (r *release) legalFiles(p platform) []entry {
	var all []entry
	for _, name := range legalNames {
		all = append(all, entry{name, r.made(p, name), 0o644})
	}
	return all
}

// made is where a file is that is made for a platform, and is not published by
// itself.
func (r *release) made(p platform, name string) string {
	return filepath.Join(r.out, "bin", r.file(p)+"."+name)
}

// license writes the licences and notices of all that is in the gateway of a
// platform.
func (r *release) license(p platform) error {
	all, err := r.legalTexts(p, []program{r.gateway(p)})
	if err != nil {
		return err
	}
	for _, t := range all {
		if err := os.WriteFile(r.made(p, t.name), []byte(t.content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// legalTexts are the licences and notices of the project, and of all that is in
// programs of a platform.
func (r *release) legalTexts(p platform, of []program) ([]text, error) {
	all, err := r.ingredients(p, of)
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(filepath.Join(r.root, "NOTICE"))
	if err != nil {
		return nil, err
	}
	var notices, licenses strings.Builder
	notices.Write(own)
	fmt.Fprintf(&licenses, "What is in pushgateway %s for %s, and under which licences.\n\n", r.version, p)
	for _, m := range all {
		fmt.Fprintf(&licenses, "  %s %s: %s\n", m.name, m.version, m.license)
		appendTexts(&notices, m, m.notices)
	}
	for _, m := range all {
		appendTexts(&licenses, m, m.licenses)
	}
	return []text{{"LICENSE", string(license)}, {"NOTICE", notices.String()}, {"THIRD-PARTY-LICENSES.txt", licenses.String()}}, nil
}

func appendTexts(to *strings.Builder, m material, texts []text) {
	for _, t := range texts {
		fmt.Fprintf(to, "\n%s\n%s %s, %s\n\n%s\n", strings.Repeat("=", 80), m.name, m.version, t.name, t.content)
	}
}
