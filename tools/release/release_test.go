package main

import (
	"bytes"
	"errors"
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

// TestRelease has the packages of two versions installed one over the other
// and one over that of Debian, and looked through, and the image run.
func TestRelease(t *testing.T) {
	old, upgraded := made(t, "v1.0.0", here), made(t, "v1.1.0", here)
	t.Run("size", func(t *testing.T) {
		checkSize(t, (&release{out: old, version: "1.0.0"}).binary(platform{"linux", runtime.GOARCH}))
	})
	for _, kind := range []string{"deb", "rpm"} {
		t.Run(kind, func(t *testing.T) {
			needsRoot(t, "systemd-analyze", map[string]string{"deb": "dpkg", "rpm": "rpm"}[kind])
			run(t, "../../deploy/package/test", kind, one(t, old, kind), one(t, upgraded, kind))
		})
	}
	t.Run("debian", func(t *testing.T) {
		needsRoot(t, "dpkg", "nsenter", "prometheus-pushgateway", "/lib/systemd/systemd")
		takeOver(t, one(t, old, "deb"), one(t, upgraded, "deb"))
	})
	t.Run("lintian", func(t *testing.T) {
		needs(t, "lintian")
		run(t, "lintian", "--allow-root", "--fail-on", "error,warning", one(t, old, "deb"))
	})
	t.Run("rpmlint", func(t *testing.T) {
		needs(t, "rpmlint")
		run(t, "rpmlint", "--strict", "--config", "../../deploy/package/rpm/rpmlint.toml", one(t, old, "rpm"))
	})
	t.Run("image", func(t *testing.T) {
		needs(t, "podman", "runc", "curl")
		run(t, "../../deploy/image-test", one(t, old, "linux-"+runtime.GOARCH+".oci.tar"))
	})
	t.Run("cluster", func(t *testing.T) {
		needsTime(t)
		needs(t, "unshare", "nsenter", "ip", "iptables", "dockerd", "docker", "docker-compose", "haproxy", "curl")
		nats := filepath.Join(t.TempDir(), "nats-server")
		run(t, "go", "build", "-C", "../..", "-o", nats, "github.com/nats-io/nats-server/v2")
		t.Log(run(t, "../../deploy/cluster-test", one(t, old, "linux-"+runtime.GOARCH+".oci.tar"), nats))
	})
	for engine, tools := range map[string][]string{
		"docker": {"unshare", "ip", "iptables", "dockerd", "docker", "docker-compose", "curl"},
		"podman": {"unshare", "ip", "iptables", "podman", "runc", "catatonit", "curl"},
	} {
		t.Run("drop-in "+engine, func(t *testing.T) {
			t.Parallel()
			needs(t, tools...)
			t.Log(run(t, "../../deploy/drop-in-test", engine, one(t, old, "linux-"+runtime.GOARCH+".oci.tar")))
		})
	}
}

// largest is how many bytes the binary may have.
const largest = 21_000_000

func checkSize(t *testing.T, binary string) {
	t.Helper()
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > largest {
		t.Errorf("the binary has %d bytes, more than %d; third_party/README.md tells how to look whether methods are linked that nothing calls", info.Size(), largest)
	}
}

// TestWholeRelease makes everything twice, and looks whether both are the same.
func TestWholeRelease(t *testing.T) {
	needsTime(t)
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

// TestVersion makes releases of a repository with and without a tag, with one
// that contradicts the sources, and with a change that is not committed.
func TestVersion(t *testing.T) {
	root := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		return run(t, "git", append([]string{"-C", root, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"}, args...)...)
	}
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "--quiet")
	write(versionFile, "1.2.3\n")
	git("add", ".")
	git("commit", "--quiet", "--message=first")
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
	check("", "1.2.3", head)
	git("tag", "v2.0.0")
	if _, err := prepare(root, filepath.Join(t.TempDir(), "dist"), ""); err == nil || !strings.Contains(err.Error(), "v2.0.0") {
		t.Errorf("a tag that contradicts the sources: %v", err)
	}
	git("tag", "v1.2.3")
	check("", "1.2.3", head)
	write("new.go", "")
	check("", "1.2.3-dirty", head+"-dirty")
	check("v2.0.0", "2.0.0", head+"-dirty")
}

// published is where the releases of the tests say that they come from.
var published = origin{url: "https://github.com/someone/pushgateway", registry: "ghcr.io/someone"}

// made is the directory of a release for some platforms.
func made(t *testing.T, version, platforms string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	if err := makeRelease("../..", out, version, platforms, published); err != nil {
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

// needsRoot skips the test where packages cannot be installed in a throw-away
// root, or a tool for that is missing.
func needsRoot(t *testing.T, tools ...string) {
	t.Helper()
	needs(t, append(tools, "unshare", "ip", "setpriv", "curl")...)
	if err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", "mount -t tmpfs tmpfs /mnt").Run(); err != nil {
		t.Skipf("this machine does not allow a throw-away root: %v", err)
	}
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

// takeOver has packages take over from that of Debian, where systemd boots.
func takeOver(t *testing.T, packages ...string) {
	t.Helper()
	out, err := exec.Command("../../deploy/package/test-debian", packages...).CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == 77 {
		t.Skipf("%s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
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

// needsTime skips the test unless somebody has asked for the long ones. To build
// for another machine takes some 90 seconds of a core.
func needsTime(t *testing.T) {
	t.Helper()
	if !*full {
		t.Skip("make release-test runs this: it takes minutes")
	}
}

// TestEmulated runs the binaries for other machines under emulation.
func TestEmulated(t *testing.T) {
	for arch, emulator := range map[string]string{"arm64": "qemu-aarch64-static", "arm": "qemu-arm-static", "riscv64": "qemu-riscv64-static"} {
		t.Run(arch, func(t *testing.T) {
			needsTime(t)
			needs(t, emulator, "curl")
			r, err := prepare("../..", filepath.Join(t.TempDir(), "dist"), "v1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			p := platform{"linux", arch}
			if err := r.build(p); err != nil {
				t.Fatal(err)
			}
			run(t, "../../deploy/smoke-test", emulator, r.binary(p))
		})
	}
}
