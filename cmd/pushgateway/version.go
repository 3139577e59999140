package main

import (
	_ "embed"
	"strings"
)

// versionFile is the one place that sets the version. What repeats it, such as
// the chart, is held to it by tools/project.
//
//go:embed VERSION
var versionFile string

// release is the version of builds that the linker is told no other one for.
func release() string { return strings.TrimSpace(versionFile) }
