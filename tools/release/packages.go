package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// packages makes the .deb and the .rpm of a platform.
func (r *release) packages(p platform) error {
	files := filepath.Join(r.out, "bin", "package-"+p.arch)
	if err := os.MkdirAll(files, 0o755); err != nil {
		return err
	}
	if err := errors.Join(r.completions(files), r.documents(files)); err != nil {
		return err
	}
	config, err := r.packageConfig(files, p)
	if err != nil {
		return err
	}
	for _, kind := range []string{"deb", "rpm"} {
		cmd := r.command("go", "tool", "-modfile=tools/go.mod", "nfpm", "package",
			"--config", config, "--packager", kind, "--target", r.out)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", kind, err, out)
		}
	}
	return nil
}

// packageConfig fills in the variables of nfpm.yaml, of which nfpm itself
// fills in only some, and returns the path of the result.
func (r *release) packageConfig(files string, p platform) (string, error) {
	template, err := os.ReadFile(filepath.Join(r.root, "deploy", "package", "nfpm.yaml"))
	if err != nil {
		return "", err
	}
	values := map[string]string{
		"PACKAGE_ARCH":     p.arch,
		"PACKAGE_VERSION":  r.version,
		"PACKAGE_URL":      r.from.url,
		"PACKAGE_BINARY":   r.binary(p),
		"PACKAGE_FILES":    files,
		"PACKAGE_NOTICE":   r.made(p, "NOTICE"),
		"PACKAGE_LICENSES": r.made(p, "THIRD-PARTY-LICENSES.txt"),
	}
	config := os.Expand(string(template), func(name string) string { return values[name] })
	path := filepath.Join(files, "nfpm.yaml")
	return path, os.WriteFile(path, []byte(config), 0o644)
}

// completions writes what the gateway itself gives for shells, which is the
// same on all platforms.
func (r *release) completions(dir string) error {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, err := r.command("go", "run", "./cmd/pushgateway", "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("completion for %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "completion."+shell), script, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// documents writes the manual page and the changelogs in the forms that
// packages want.
func (r *release) documents(dir string) error {
	changelog := fmt.Sprintf(`- semver: %q
  date: %s
  packager: The Pushgateway maintainers <maintainers@pushgateway.invalid>
  deb: {urgency: medium, distributions: [unstable]}
  changes:
    - note: Release %s. CHANGELOG.md lists the changes.
`, strings.Replace(r.version, "-", "~", 1)+"-1", r.date.Format(time.RFC3339), r.version)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "changelog.yaml"), []byte(changelog), 0o644),
		compress(filepath.Join(dir, "changelog.gz"), filepath.Join(r.root, "CHANGELOG.md")),
		compress(filepath.Join(dir, "pushgateway.1.gz"), filepath.Join(r.root, "docs", "man", "pushgateway.1")),
	)
}

// compress writes a file in gzip, which gives the same bytes for the same
// content.
func compress(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = io.Copy(packed, in)
	return errors.Join(err, packed.Close())
}
