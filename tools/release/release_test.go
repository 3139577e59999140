package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestPackages makes a release twice, looks whether both are the same, and
// has the packages of two versions installed one over the other.
func TestPackages(t *testing.T) {
	old, again, upgraded := made(t, "v1.0.0"), made(t, "v1.0.0"), made(t, "v1.1.0")
	sums := read(t, filepath.Join(old, "SHA256SUMS"))
	if other := read(t, filepath.Join(again, "SHA256SUMS")); other != sums {
		t.Errorf("the same release twice:\n%s\n%s", sums, other)
	}
	for _, kind := range []string{"deb", "rpm"} {
		t.Run(kind, func(t *testing.T) {
			needs(t, "unshare", "ip", "setpriv", "curl", "systemd-analyze", map[string]string{"deb": "dpkg", "rpm": "rpm"}[kind])
			if err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", "mount -t tmpfs tmpfs /mnt").Run(); err != nil {
				t.Skipf("this machine does not allow a throw-away root: %v", err)
			}
			run(t, "../../deploy/package/test", kind, one(t, old, kind), one(t, upgraded, kind))
		})
	}
}

func TestImage(t *testing.T) {
	needs(t, "podman", "runc", "curl")
	run(t, "../../deploy/image-test", one(t, made(t, "v1.0.0"), "oci.tar"))
}

// made is the directory of a release for this machine.
func made(t *testing.T, version string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	if err := makeRelease("../..", out, version, "linux/"+runtime.GOARCH); err != nil {
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
	out := filepath.Join(t.TempDir(), "dist")
	if err := makeRelease("../..", out, "v1.0.0", "linux/arm64"); err != nil {
		t.Fatal(err)
	}
	run(t, "../../deploy/smoke-test", "qemu-aarch64-static", filepath.Join(out, "bin", "pushgateway-1.0.0.linux-arm64"))
}
