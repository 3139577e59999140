package main

import (
	"fmt"
	"os"
	"runtime"
)

// machine describes what the run was measured on, as far as it matters, and
// without saying which machine it was.
func machine() string {
	return fmt.Sprintf("%s, %s/%s, %d cores%s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), memorySize())
}

func memorySize() string {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return ""
	}
	total, err := statusBytes(info, "MemTotal:")
	if err != nil {
		return ""
	}
	return fmt.Sprintf(", %.0f GiB of memory", total/(1<<30))
}
