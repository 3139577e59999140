package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// platform is what a binary runs on.
type platform struct{ os, arch string }

// platforms are all that binaries are published for.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"linux", "arm"}, {"linux", "riscv64"}, {"linux", "ppc64le"}, {"linux", "s390x"},
	{"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"}, {"freebsd", "amd64"}, {"freebsd", "arm64"},
}

func (p platform) String() string { return p.os + "/" + p.arch }

// choose picks the platforms that are named, all if none is.
func choose(names string) ([]platform, error) {
	if names == "" {
		return platforms, nil
	}
	var chosen []platform
	for name := range strings.SplitSeq(names, ",") {
		p, err := find(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func find(name string) (platform, error) {
	for _, p := range platforms {
		if p.String() == name {
			return p, nil
		}
	}
	return platform{}, fmt.Errorf("-platforms: %q is none of %v", name, platforms)
}

// file is the name of what is made for a platform, without its extension.
func (r *release) file(p platform) string {
	arch := p.arch
	if arch == "arm" {
		arch = "armv7"
	}
	return fmt.Sprintf("pushgateway-%s.%s-%s", r.version, p.os, arch)
}

// binary is where the binary of a platform is.
func (r *release) binary(p platform) string {
	path := filepath.Join(r.out, "bin", r.file(p))
	if p.os == "windows" {
		path += ".exe"
	}
	return path
}

// shell is where the shell of a platform's image is.
func (r *release) shell(p platform) string {
	return filepath.Join(r.out, "bin", "sh."+p.os+"-"+p.arch)
}

// programs are all binaries of a platform.
func (r *release) programs(p platform) []string {
	if p.hasImage() {
		return []string{r.binary(p), r.shell(p)}
	}
	return []string{r.binary(p)}
}

// build makes the static, stripped binaries of a platform.
func (r *release) build(p platform) error {
	const pkg = "github.com/prometheus/common/version."
	flags := []string{"-s", "-w", "-buildid="}
	for name, value := range map[string]string{"Version": r.version, "Revision": r.revision, "BuildDate": r.date.Format(time.RFC3339), "BuildUser": "release"} {
		flags = append(flags, "-X", pkg+name+"="+value)
	}
	if err := r.compile(p, ".", "./cmd/pushgateway", strings.Join(flags, " "), r.binary(p)); err != nil {
		return err
	}
	if !p.hasImage() {
		return nil
	}
	return r.compile(p, "tools", "./sh", "-s -w -buildid=", r.shell(p))
}

// compile builds a package of the module in a directory of the repository.
func (r *release) compile(p platform, module, pkg, flags, out string) error {
	cmd := r.command("go", "-C", module, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+p.os, "GOARCH="+p.arch, "GOARM=7", "GOAMD64=v1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// command is to be run in the repository.
func (r *release) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = r.root
	return cmd
}
