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

// environment tells Go what to build for.
func (p platform) environment() []string {
	return []string{"CGO_ENABLED=0", "GOWORK=off", "GOOS=" + p.os, "GOARCH=" + p.arch, "GOARM=7", "GOAMD64=v1"}
}

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

// program is a binary of a platform, and the package that it is built from.
type program struct {
	module, pkg string // the directory of the module in the repository, and the package in it
	path        string // of the binary
}

func (r *release) gateway(p platform) program {
	return program{".", "./cmd/pushgateway", r.binary(p)}
}

// shell is the shell of a platform's image.
func (r *release) shell(p platform) program {
	return program{"tools", "./sh", filepath.Join(r.out, "bin", "sh."+p.os+"-"+p.arch)}
}

// programs are all programs of a platform.
func (r *release) programs(p platform) []program {
	if p.hasImage() {
		return []program{r.gateway(p), r.shell(p)}
	}
	return []program{r.gateway(p)}
}

// build makes the static, stripped binaries of a platform.
func (r *release) build(p platform) error {
	const pkg = "github.com/prometheus/common/version."
	flags := []string{"-s", "-w", "-buildid="}
	for name, value := range map[string]string{"Version": r.version, "Revision": r.revision, "BuildDate": r.date.Format(time.RFC3339), "BuildUser": "release"} {
		flags = append(flags, "-X", pkg+name+"="+value)
	}
	if err := r.compile(p, r.gateway(p), strings.Join(flags, " ")); err != nil {
		return err
	}
	if !p.hasImage() {
		return nil
	}
	return r.compile(p, r.shell(p), "-s -w -buildid=")
}

// compile builds a program for a platform.
func (r *release) compile(p platform, of program, flags string) error {
	cmd := r.command("go", "-C", of.module, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", of.path, of.pkg)
	cmd.Env = append(os.Environ(), p.environment()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", of.pkg, err, out)
	}
	return nil
}

// command is to be run in the repository.
func (r *release) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = r.root
	return cmd
}
