package webui

import (
	"os"
	"regexp"
	"testing"
)

// TestVendored holds what is embedded of uPlot to the release that the script
// names: whoever changes that has to run go generate.
func TestVendored(t *testing.T) {
	script, err := os.ReadFile("../../scripts/vendor-uplot")
	if err != nil {
		t.Fatal(err)
	}
	library, err := files.ReadFile("static/vendor/uPlot.iife.min.js")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`uplot@(\S+)`).FindSubmatch(script)
	banner := regexp.MustCompile(`^/\*! https://github.com/leeoniya/uPlot \(v(\S+)\) \*/`).FindSubmatch(library)
	if pinned == nil || banner == nil || string(pinned[1]) != string(banner[1]) {
		t.Errorf("scripts/vendor-uplot has %q, static/vendor has %q: run go generate ./internal/webui", pinned, banner)
	}
}
