package main

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/prometheus/common/version"
)

// versionFile is the one place that sets the version. A test in tools/project
// compares the copies, such as the chart's, with it.
//
//go:embed VERSION
var versionFile string

// release is the version of builds for which the linker sets none.
func release() string { return strings.TrimSpace(versionFile) }

// versionText is the text of --version, which is that of Prometheus' programs.
// version.Print would write the same with text/template, see third_party.
func versionText() string {
	return fmt.Sprintf(`pushgateway, version %s (branch: %s, revision: %s)
  build user:       %s
  build date:       %s
  go version:       %s
  platform:         %s/%s
  tags:             %s`, version.Version, version.Branch, version.GetRevision(), version.BuildUser, version.BuildDate,
		version.GoVersion, version.GoOS, version.GoArch, version.GetTags())
}
