//go:build !linux

package main

// askForHugePages does nothing: only Linux must be asked for huge pages.
func askForHugePages() {}
