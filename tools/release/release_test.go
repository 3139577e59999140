package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var full = flag.Bool("release.full", false, "make the release of all platforms, twice")

// here is the platform of this machine.
const here = "linux/" + runtime.GOARCH

// TestRelease has the packages of two versions installed one over the other,
// and the image run.
func TestRelease(t *testing.T) {
	old, upgraded := made(t, "v1.0.0", here), made(t, "v1.1.0", here)
	for _, kind := range []string{"deb", "rpm"} {
		t.Run(kind, func(t *testing.T) {
			needs(t, "unshare", "ip", "setpriv", "curl", "systemd-analyze", map[string]string{"deb": "dpkg", "rpm": "rpm"}[kind])
			if err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", "mount -t tmpfs tmpfs /mnt").Run(); err != nil {
				t.Skipf("this machine does not allow a throw-away root: %v", err)
			}
			run(t, "../../deploy/package/test", kind, one(t, old, kind), one(t, upgraded, kind))
		})
	}
	t.Run("image", func(t *testing.T) {
		needs(t, "podman", "runc", "curl")
		run(t, "../../deploy/image-test", one(t, old, "linux-"+runtime.GOARCH+".oci.tar"))
	})
	for engine, tools := range map[string][]string{
		"docker": {"unshare", "ip", "iptables", "dockerd", "docker", "docker-compose", "curl"},
		"podman": {"unshare", "ip", "iptables", "podman", "runc", "catatonit", "curl"},
	} {
		t.Run("drop-in "+engine, func(t *testing.T) {
			needs(t, tools...)
			t.Log(run(t, "../../deploy/drop-in-test", engine, one(t, old, "linux-"+runtime.GOARCH+".oci.tar")))
		})
	}
}

// TestWholeRelease makes everything twice, and looks whether both are the same.
func TestWholeRelease(t *testing.T) {
	if !*full {
		t.Skip("make release-test runs this: it takes minutes")
	}
	once := made(t, "v1.0.0", "")
	sums := read(t, filepath.Join(once, "SHA256SUMS"))
	if again := read(t, filepath.Join(made(t, "v1.0.0", ""), "SHA256SUMS")); again != sums {
		t.Errorf("the same release twice:\n%s\n%s", sums, again)
	}
	for _, p := range platforms {
		if name := (&release{version: "1.0.0"}).file(p); !strings.Contains(sums, name+".") {
			t.Errorf("%s is not in\n%s", name, sums)
		}
	}
}

// TestVersion makes releases of a repository with and without a tag, and with
// a change that is not committed.
func TestVersion(t *testing.T) {
	root := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		return run(t, "git", append([]string{"-C", root, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"}, args...)...)
	}
	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "--message=first")
	check := func(given, version, revision string) {
		t.Helper()
		r, err := prepare(root, filepath.Join(t.TempDir(), "dist"), given)
		if err != nil {
			t.Fatal(err)
		}
		if r.version != version || r.revision != revision {
			t.Errorf("version %q, revision %q; want %q, %q", r.version, r.revision, version, revision)
		}
	}
	head := git("rev-parse", "HEAD")
	check("", "0.1.0-dev", head)
	git("tag", "v1.2.3")
	check("", "1.2.3", head)
	if err := os.WriteFile(filepath.Join(root, "new.go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check("", "1.2.3-dirty", head+"-dirty")
	check("v2.0.0", "2.0.0", head+"-dirty")
}

// made is the directory of a release for some platforms.
func made(t *testing.T, version, platforms string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	if err := makeRelease("../..", out, version, platforms); err != nil {
		t.Fatal(err)
	}
	return out
}

// one is the only file with an extension.
func one(t *testing.T, dir, extension string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*."+extension))
	if err != nil || len(found) != 1 {
		t.Fatalf("*.%s: %v, %v", extension, found, err)
	}
	return found[0]
}

func needs(t *testing.T, tools ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("this needs root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing: scripts/test-deps installs it on Debian", tool)
		}
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(bytes.TrimSpace(out))
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestArm64 runs the binary for the other machines under emulation.
func TestArm64(t *testing.T) {
	needs(t, "qemu-aarch64-static", "curl")
	binary := filepath.Join(made(t, "v1.0.0", "linux/arm64"), "bin", "pushgateway-1.0.0.linux-arm64")
	run(t, "../../deploy/smoke-test", "qemu-aarch64-static", binary)
}
