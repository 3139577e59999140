package main

import (
	"bytes"
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
// The address space is used from its beginning on, so memory is taken only as
// the heap grows. Call it early, while the heap is small, and once the memory
// limit is known. GODEBUG=disablethp=1 turns huge pages off, here as in Go.
func askForHugePages() {
	n := min(hugeHeap, debug.SetMemoryLimit(-1)/2)
	if bits.UintSize < 64 || n < leastHugeHeap || strings.Contains(os.Getenv("GODEBUG"), "disablethp=1") || !onlyForThoseWhoAsk() || !roomFor(2*n) {
		return
	}
	// Go has no function for this, but it uses again what has become garbage. This
	// memory comes from the kernel and nobody writes to it, so it takes none.
	heap := make([]byte, n)
	begin := -uintptr(unsafe.Pointer(&heap[0])) & (hugePage - 1)
	_ = unix.Madvise(heap[begin:], unix.MADV_HUGEPAGE) // without them, the heap works as before
	debug.FreeOSMemory()
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
