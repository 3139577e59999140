package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// completions writes what the gateway itself gives for shells, which is the
// same on all platforms, and returns the directory.
func (r *release) completions() (string, error) {
	dir := filepath.Join(r.out, "bin", "completions")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, err := r.command("go", "run", "./cmd/pushgateway", "completion", shell).Output()
		if err != nil {
			return "", fmt.Errorf("completion for %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(dir, shell), script, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// packages makes the .deb and the .rpm of a platform.
func (r *release) packages(p platform) error {
	completions, err := r.completions()
	if err != nil {
		return err
	}
	for _, kind := range []string{"deb", "rpm"} {
		cmd := r.command("go", "tool", "-modfile=tools/go.mod", "nfpm", "package",
			"--config", "deploy/package/nfpm.yaml", "--packager", kind, "--target", r.out)
		cmd.Env = append(os.Environ(),
			"PACKAGE_ARCH="+p.arch, "PACKAGE_VERSION="+r.version, "PACKAGE_BINARY="+r.binary(p), "PACKAGE_COMPLETIONS="+completions,
			"PACKAGE_NOTICE="+r.made(p, "NOTICE"), "PACKAGE_LICENSES="+r.made(p, "THIRD-PARTY-LICENSES.txt"),
			"SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", kind, err, out)
		}
	}
	return nil
}
