package crash_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// fileCalls are the system calls that a forgetful disk is made from.
const fileCalls = "trace=openat,close,pwrite64,ftruncate,fdatasync,fsync,renameat,linkat,unlinkat,read,write"

// call is one system call of the binary. What it writes counts from when it
// was begun, what it syncs or reads from when it was done.
type call struct {
	name   string
	text   []byte // path or bytes, decoded
	second []byte // path of a rename
	args   string // everything outside of quotes
	result int
	again  bool // a signal broke it off, and it comes once more
}

// readTrace reads what strace has noted.
func readTrace(t *testing.T, path string) (all []call) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begun := make(map[string]int) // by thread: where in all its call is
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return all
		}
		thread, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case strings.HasPrefix(rest, "<... "):
			i, ok := begun[thread]
			if !ok {
				continue
			}
			c := all[i]
			c.result, c.again = result(rest), isBrokenOff(rest)
			switch {
			case strings.HasSuffix(c.name, "sync"):
				all[i].name = "" // it counts from here on
				all = append(all, c)
			case c.name == "read":
				all[i].name = ""
				_, rest, _ = strings.Cut(rest, "resumed>")
				c.text = parse(t, "read("+rest).text // known by now
				all = append(all, c)
			default:
				all[i] = c
			}
			delete(begun, thread)
		case strings.HasSuffix(rest, "<unfinished ...>"):
			all = append(all, parse(t, rest))
			begun[thread] = len(all) - 1
		case strings.Contains(rest, "("):
			all = append(all, parse(t, rest))
		}
	}
}

func result(s string) int {
	_, after, _ := strings.Cut(s[strings.LastIndex(s, ")")+1:], "= ")
	number, _, _ := strings.Cut(after, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return n
}

func parse(t *testing.T, s string) (c call) {
	name, rest, _ := strings.Cut(s, "(")
	parts := strings.Split(rest, `"`)
	c.name = name
	for i, p := range parts {
		if i%2 == 0 {
			c.args += p
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(p, `\x`, ""))
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		if i == 1 {
			c.text = b
		} else {
			c.second = b
		}
	}
	if !strings.Contains(c.args, "<unfinished") {
		c.result, c.again = result(s), isBrokenOff(s)
	}
	return c
}

func isBrokenOff(s string) bool { return strings.Contains(s, "= ? ERESTART") }

// isAnswer tells whether a call has sent a good answer, or may have when the
// process was killed.
func (c call) isAnswer() bool {
	return c.name == "write" && !c.again && bytes.HasPrefix(c.text, []byte("HTTP/1.1 20"))
}

// numbers are the arguments that are numbers, in their order.
func (c call) numbers() (all []int64) {
	before, _, _ := strings.Cut(c.args, ")")
	before, _, _ = strings.Cut(before, "<unfinished")
	for _, p := range strings.Split(before, ",") {
		if n, err := strconv.ParseInt(strings.TrimSpace(p), 10, 64); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// awaitEndOf waits until strace has written that the process was killed.
func awaitEndOf(t *testing.T, trace string) {
	t.Helper()
	for deadline := time.Now().Add(testproc.Patience); ; time.Sleep(10 * time.Millisecond) {
		content := readFile(t, trace)
		lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
		if bytes.HasSuffix(lines[len(lines)-1], []byte("+++ killed by SIGKILL +++")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("strace does not end: %s", clip(string(lines[len(lines)-1])))
		}
	}
}
