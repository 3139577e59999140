package main_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// others are the other names of the shell.
var others = []string{"cat", "chmod", "cp", "grep", "ls", "mkdir", "mv", "nc", "rm", "sleep", "touch"}

// built is a directory with the shell, and its other names.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir+"/sh", ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range others {
		if err := os.Symlink("sh", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestShell runs scripts as engines and kubelets do.
func TestShell(t *testing.T) {
	dir := built(t)
	script := filepath.Join(dir, "entrypoint.sh")
	if err := os.WriteFile(script, []byte("#!"+dir+"/sh\necho \"$0:$1\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, stdin, out string
		code             int
	}{
		{args: "-c¦echo hello", out: "hello\n"},
		{args: "-c¦false || exit 1", code: 1},
		{args: "-c¦false || exit 7", code: 7},
		{args: "-c¦true && echo yes", out: "yes\n"},
		{args: "-c¦if [ -f /etc/passwd ] && test 1 -eq 1; then echo yes; fi", out: "yes\n"},
		{args: "-c¦sleep 0.01 && echo slept", out: "slept\n"},
		{args: "-c¦sh -c 'exit 4'; echo $?", out: "4\n"},
		{args: "-c¦echo \"$0 $1 $#\"¦name¦first¦-e", out: "name first 2\n"},
		{args: "-c¦echo \"$0\"", out: "sh\n"},
		{args: "-c¦X=1 && export Y=2; exec sh -c 'echo \"[$X$Y]\"'", out: "[2]\n"},
		{args: "-c¦exec sh -c 'exit 5'; echo never", code: 5},
		{args: "-c¦a=$(echo in); echo \"$a\" | while read -r l; do echo \"<$l>\"; done", out: "<in>\n"},
		{args: "-c¦echo gone >/dev/null 2>&1"},
		{args: "-ec¦false; echo never", code: 1},
		{args: "-e¦-c¦false; echo never", code: 1},
		{args: "-eu¦-o¦pipefail¦-c¦false | true; echo never", code: 1},
		{args: "-c¦no-such-program", code: 127, out: "\"no-such-program\": executable file not found in $PATH\n"},
		{args: "-c¦if true; then", code: 2, out: "sh: sh:1:10: `then` must be followed by a statement list\n"},
		{args: "-c", code: 2, out: "sh: -c: there is no script; write it behind, as one argument\n"},
		{args: script + "¦one", out: script + ":one\n"},
		{stdin: "echo from stdin\nexit 3\n", out: "from stdin\n", code: 3},
	} {
		cmd := exec.Command(dir + "/sh")
		if c.args != "" {
			cmd.Args = append(cmd.Args, strings.Split(c.args, "¦")...)
		}
		cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
		cmd.Stdin = strings.NewReader(c.stdin)
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || string(out) != c.out {
			t.Errorf("%q: %d, %v, %q; want %d, %q", c.args, code, err, out, c.code, c.out)
		}
	}
}

// TestPrograms runs what scripts for busybox run, with no other program there.
func TestPrograms(t *testing.T) {
	dir := built(t)
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	go answer(port)
	_, open, err := net.SplitHostPort(port.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		script, out string
		code        int
	}{
		{script: "echo OK | grep -q OK"},
		{script: "echo NO | grep -q OK", code: 1},
		{script: "printf 'a\\nb\\nab\\n' | grep a", out: "a\nab\n"},
		{script: "printf 'a\\nb\\nab\\n' | grep -vc a", out: "1\n"},
		{script: "printf 'HTTP/1.1 200 OK\\r\\n' | grep -Eiq 'http/[0-9.]+ (200|204) '"},
		{script: "echo 'a+b' | grep -o a", code: 2, out: "grep: unknown shorthand flag: 'o' in -o\n"},
		{script: "echo 'a+b' | grep 'a+b' && echo ab | grep 'c\\|b' && echo aab | grep -E '^a+b$' && echo a.b | grep -F .b", out: "a+b\nab\naab\na.b\n"},
		{script: "echo abc | grep -w ab", code: 1},
		{script: "echo abc | grep -x ab", code: 1},
		{script: "echo abc | grep -e x -e b", out: "abc\n"},
		{script: "grep -q x no-such-file", code: 2, out: "grep: open no-such-file: no such file or directory\n"},
		{script: "grep", code: 2, out: "grep: the pattern is missing; write it as the first argument, like grep -q OK\n"},
		{script: "nc -z localhost $OPEN"},
		{script: "nc -zv -w1 127.0.0.1 $OPEN || exit 3"},
		{script: "echo hello | nc 127.0.0.1 $OPEN", out: "hello\n"},
		{script: "nc -z 127.0.0.1 1 2>/dev/null", code: 1},
		{script: "nc", code: 1, out: "nc: a host or a port is missing; write both, like nc -z localhost 9091\n"},
		{script: "mkdir -p a/b && touch a/b/c && chmod 700 a && cp a/b/c a/d && mv a/d a/e && ls a && rm -r a && [ ! -e a ]", out: "b\ne\n"},
		{script: "echo text >f; cat f; rm f; cat f", code: 1, out: "text\ncat: open f: no such file or directory\n"},
	} {
		cmd := exec.Command(dir+"/sh", "-c", c.script)
		cmd.Env = []string{"PATH=" + dir, "OPEN=" + open}
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || string(out) != c.out {
			t.Errorf("%q: %d, %v, %q; want %d, %q", c.script, code, err, out, c.code, c.out)
		}
	}
}

// answer sends back what comes.
func answer(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			io.Copy(conn, conn)
			conn.Close()
		}()
	}
}

// TestSignals has a program that was started with exec get the signal, and one
// that was started without it end with the shell.
func TestSignals(t *testing.T) {
	dir := built(t)
	for _, script := range []string{
		`exec sleep 600`,
		`sleep 600`,
		`sleep 600; echo never`,
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		cmd := exec.CommandContext(ctx, dir+"/sh", "-c", "echo started; "+script)
		cmd.Env = []string{"PATH=" + dir}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := stdout.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		if ctx.Err() != nil || err == nil {
			t.Errorf("%s: %v, %v", script, err, ctx.Err())
		}
		cancel()
	}
}

// TestSleep gives times in all forms, and such as are none.
func TestSleep(t *testing.T) {
	dir := built(t)
	for args, code := range map[string]int{"0": 0, "0.01": 0, ".01": 0, "0m": 0, "0d": 0, "0.01 10ms": 0, "": 2, "-1": 2, "x": 2, "1x": 2} {
		cmd := exec.Command(dir+"/sleep", strings.Fields(args)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != code {
			t.Errorf("sleep %s: %v, %s; want %d", args, err, out, code)
		}
	}
}
