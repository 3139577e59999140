// Command release makes everything that is published of the gateway: binaries
// and archives for all platforms, packages, container images, the chart, a bill
// of materials and checksums. The same sources and version give the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// release is one release being made.
type release struct {
	root     string // of the repository
	out      string // where everything goes
	version  string
	revision string
	date     time.Time // of the commit: a build later gives the same bytes
	from     origin
	images   []mutate.IndexAddendum
}

// origin is where a release is published. It is empty if the release is not
// published. The release refers to it, and the chart pulls the image from there.
type origin struct {
	url      string // of the repository
	registry string // of the image
}

func main() {
	root := flag.String("root", "..", "the repository")
	out := flag.String("out", "../dist", "the directory to write to; what is in it is removed")
	version := flag.String("version", "", "the version; by default what cmd/pushgateway/VERSION says, and -dirty if there are changes that are not committed")
	only := flag.String("platforms", "", "platforms to build, like linux/amd64,linux/arm64; by default all")
	var from origin
	flag.StringVar(&from.url, "url", "", "the address of the repository that publishes the release, like https://github.com/someone/pushgateway")
	flag.StringVar(&from.registry, "registry", "", "the registry of the image, like ghcr.io/someone")
	flag.Parse()
	if err := makeRelease(*root, *out, *version, *only, from); err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

func makeRelease(root, out, version, only string, from origin) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	r, err := prepare(root, out, version)
	if err != nil {
		return err
	}
	r.from = from
	for _, p := range chosen {
		if err := r.publish(p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := r.multiarch(); err != nil {
		return fmt.Errorf("images of all platforms: %w", err)
	}
	if err := r.materials(chosen); err != nil {
		return fmt.Errorf("bill of materials: %w", err)
	}
	if err := r.chart(); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	return r.checksums()
}

// publish makes everything for a platform.
func (r *release) publish(p platform) error {
	if err := r.build(p); err != nil {
		return err
	}
	if err := r.license(p); err != nil {
		return fmt.Errorf("licences: %w", err)
	}
	if err := r.archive(p); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if !p.hasImage() {
		return nil // nor packages
	}
	if err := r.packages(p); err != nil {
		return err
	}
	if err := r.image(p); err != nil {
		return fmt.Errorf("container image: %w", err)
	}
	return nil
}

// prepare empties the output directory and finds out what is released.
func prepare(root, out, version string) (*release, error) {
	r := &release{version: strings.TrimPrefix(version, "v")}
	var err error
	if r.root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	if r.out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(r.out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(r.out, "bin"), 0o755); err != nil {
		return nil, err
	}
	if r.revision, err = r.git("rev-parse", "HEAD"); err != nil {
		return nil, err
	}
	when, err := r.git("show", "-s", "--format=%cI", "HEAD")
	if err != nil {
		return nil, err
	}
	if r.date, err = time.Parse(time.RFC3339, when); err != nil {
		return nil, fmt.Errorf("the date of the commit: %w", err)
	}
	r.date = r.date.UTC()
	dirt, err := r.dirt()
	if err != nil {
		return nil, err
	}
	r.revision += dirt
	if r.version != "" {
		return r, nil
	}
	if r.version, err = r.planned(); err != nil {
		return nil, err
	}
	r.version += dirt
	return r, nil
}

// dirt is what marks a release of anything but what is committed.
func (r *release) dirt() (string, error) {
	changes, err := r.git("status", "--porcelain")
	if err != nil || changes == "" {
		return "", err
	}
	return "-dirty", nil
}

// versionFile is the one place that sets the version.
const versionFile = "cmd/pushgateway/VERSION"

// planned is the version that the sources have. A tag of the commit has to say
// the same.
func (r *release) planned() (string, error) {
	b, err := os.ReadFile(filepath.Join(r.root, versionFile))
	if err != nil {
		return "", err
	}
	version := strings.TrimSpace(string(b))
	tags, err := r.git("tag", "--points-at", "HEAD", "--list", "v[0-9]*")
	if err != nil {
		return "", err
	}
	if tags != "" && !slices.Contains(strings.Fields(tags), "v"+version) {
		return "", fmt.Errorf("the commit has the tag %s, but %s says %s: change the file before the commit is tagged, or tag another commit", tags, versionFile, version)
	}
	return version, nil
}

func (r *release) git(args ...string) (string, error) {
	out, err := r.command("git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
