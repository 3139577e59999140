package main

import (
	"log/slog"
	"math/bits"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// hugePage is the size of the huge pages that the heap asks for, in bytes.
	// Some machines have much larger ones, which a small heap would waste.
	hugePage = 2 << 20
	// hugeHeap is how much of the heap asks for huge pages, in bytes. The runtime
	// takes a thousandth of it to keep account of.
	hugeHeap = 1 << 30
	// leastHugeHeap is the smallest size worth asking for.
	leastHugeHeap = 64 << 20

	transparentHugePages = "/sys/kernel/mm/transparent_hugepage/"
)

// askForHugePages asks the kernel to back the first gigabyte of the heap with
// huge pages. The kernel then hands out memory 2 MiB at a time, and not 4 kB;
// the processor finds it in fewer steps. Go does not ask by itself, and many
// distributions give huge pages only to programs that ask.
//
// It reserves the address space, and memory is taken only as the heap grows. Call
// it early, while the heap is small, and once the memory limit is known. It
// takes some 10 ms and may run beside everything else.
func askForHugePages(logger *slog.Logger) {
	n := min(hugeHeap, debug.SetMemoryLimit(-1)/2)
	why := whyNotHuge(n)
	if why == "" {
		if err := growHuge(int(n)); err != nil {
			why = err.Error()
		}
		debug.FreeOSMemory() // the heap may use it now, and counts it as taken only when it does
	}
	if why != "" {
		logger.Debug("Asked for no huge pages", "reason", why)
		return
	}
	logger.Debug("Asked for huge pages", "bytes", n)
}

// growHuge makes the heap larger by n bytes, which become garbage untouched. Go
// has no function for that. If there are no huge pages, the heap works as before.
func growHuge(n int) error {
	// A slice would be cleared where it borders on memory that was in use. What a
	// builder allocates is not.
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	heap := unsafe.Slice(unsafe.StringData(b.String()), n)
	begin := -uintptr(unsafe.Pointer(&heap[0])) & (hugePage - 1)
	return unix.Madvise(heap[begin:], unix.MADV_HUGEPAGE)
}

// whyNotHuge returns why not to ask for n bytes, or nothing.
func whyNotHuge(n int64) string {
	switch {
	case turnedOff(os.Getenv("GODEBUG")):
		return "GODEBUG has disablethp=1"
	case bits.UintSize < 64:
		return "a program of 32 bits has too few addresses"
	case n < leastHugeHeap:
		return "the memory limit is low"
	case !onlyIfAsked():
		return "the system gives huge pages of 2 MiB to all programs or to none"
	case content("/proc/sys/vm/overcommit_memory") == "2":
		return "the system counts address space as memory"
	case !roomFor(2 * n):
		return "the system refuses the address space"
	}
	return ""
}

// turnedOff reports whether GODEBUG tells Go to do without huge pages. The last
// setting of a name counts.
func turnedOff(godebug string) (off bool) {
	for setting := range strings.SplitSeq(godebug, ",") {
		if value, is := strings.CutPrefix(setting, "disablethp="); is {
			off = value != "0"
		}
	}
	return off
}

// onlyIfAsked reports whether the system has huge pages of the right size, and
// gives them only to programs that ask.
func onlyIfAsked() bool {
	return strings.Contains(content(transparentHugePages+"enabled"), "[madvise]") &&
		content(transparentHugePages+"hpage_pmd_size") == strconv.Itoa(hugePage)
}

// content returns what is in a file of the system, or nothing.
func content(file string) string {
	b, _ := os.ReadFile(file) // the kernel may have no such setting
	return strings.TrimSpace(string(b))
}

// roomFor reports whether the system lets the process have another n bytes of
// address space. If it refused them to the heap, the process would end.
func roomFor(n int64) bool {
	b, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	return err == nil && unix.Munmap(b) == nil
}
