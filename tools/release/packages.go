package main

import (
	"fmt"
	"os"
	"strconv"
)

// packages makes the .deb and the .rpm of a platform.
func (r *release) packages(p platform) error {
	for _, kind := range []string{"deb", "rpm"} {
		cmd := r.command("go", "tool", "-modfile=tools/go.mod", "nfpm", "package",
			"--config", "deploy/package/nfpm.yaml", "--packager", kind, "--target", r.out)
		cmd.Env = append(os.Environ(),
			"PACKAGE_ARCH="+p.arch, "PACKAGE_VERSION="+r.version, "PACKAGE_BINARY="+r.binary(p),
			"SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", kind, err, out)
		}
	}
	return nil
}
