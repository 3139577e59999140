//go:build !linux

package main

import "log/slog"

// askForHugePages does nothing: only Linux must be asked for huge pages.
func askForHugePages(*slog.Logger) {}
