package main

import (
	"bytes"
	"log/slog"
	"math/bits"
	"os"
	"runtime/debug"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// hugePage is the size of the huge pages that the heap asks for, in bytes.
	// Some machines have much larger ones, which a small heap would waste.
	hugePage = 2 << 20
	// hugeHeap is how much of the heap asks for huge pages, in bytes. The collector
	// takes a thousandth of it to keep account of.
	hugeHeap = 1 << 30
	// leastHugeHeap is how much it must be to be worth it.
	leastHugeHeap = 64 << 20

	transparentHugePages = "/sys/kernel/mm/transparent_hugepage/"
)

// askForHugePages asks the kernel to back the first gigabyte of the heap with
// huge pages. The kernel then hands out memory 2 MiB at a time, and not 4 kB;
// the processor finds it in fewer steps. Go does not ask by itself, and many
// distributions give huge pages only to those who ask.
//
// It reserves the address space, and memory is taken only as the heap grows. Call
// it early, while the heap is small, and once the memory limit is known. It
// takes some 10 ms and may run beside everything else.
func askForHugePages(logger *slog.Logger) {
	n := min(hugeHeap, debug.SetMemoryLimit(-1)/2)
	if why := whyNotHuge(n); why != "" {
		logger.Debug("Asked for no huge pages", "reason", why)
		return
	}
	err := growHuge(n)
	debug.FreeOSMemory() // the heap may use it now, and counts it as taken only when it does
	if err != nil {
		logger.Debug("Asked for no huge pages", "reason", err)
		return
	}
	logger.Debug("Asked for huge pages", "bytes", n)
}

// growHuge makes the heap larger by n bytes, which become garbage untouched. Go
// has no function for that. If there are no huge pages, the heap works as before.
func growHuge(n int64) error {
	heap := make([]byte, n) // straight from the kernel, so Go does not clear it
	begin := -uintptr(unsafe.Pointer(&heap[0])) & (hugePage - 1)
	return unix.Madvise(heap[begin:], unix.MADV_HUGEPAGE)
}

// whyNotHuge says why not to ask for n bytes, or nothing. GODEBUG=disablethp=1
// turns huge pages off, here as in Go.
func whyNotHuge(n int64) string {
	switch {
	case strings.Contains(os.Getenv("GODEBUG"), "disablethp=1"):
		return "GODEBUG=disablethp=1"
	case bits.UintSize < 64:
		return "a program of 32 bits has too few addresses"
	case n < leastHugeHeap:
		return "the memory limit is low"
	case !onlyForThoseWhoAsk():
		return "the system does not give huge pages of 2 MiB to those who ask, or gives them to everybody"
	case !roomFor(2 * n):
		return "the system refuses the address space"
	}
	return ""
}

// onlyForThoseWhoAsk says if the system has huge pages of the right size, and
// gives them to nobody who does not ask.
func onlyForThoseWhoAsk() bool {
	mode, err := os.ReadFile(transparentHugePages + "enabled")
	if err != nil || !bytes.Contains(mode, []byte("[madvise]")) {
		return false
	}
	size, err := os.ReadFile(transparentHugePages + "hpage_pmd_size")
	return err == nil && strings.TrimSpace(string(size)) == "2097152"
}

// roomFor says if the system lets the process have another n bytes of address
// space. If it refused them to the heap, the process would end.
func roomFor(n int64) bool {
	b, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return false
	}
	return unix.Munmap(b) == nil
}
