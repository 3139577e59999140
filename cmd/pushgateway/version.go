package main

import (
	_ "embed"
	"strings"
)

// versionFile is the one place that sets the version. A test in tools/project
// compares the copies, such as the chart's, with it.
//
//go:embed VERSION
var versionFile string

// release is the version of builds for which the linker sets none.
func release() string { return strings.TrimSpace(versionFile) }
