package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// built is a directory with the shell, and its other name.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir+"/sh", ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Symlink("sh", dir+"/sleep"); err != nil {
		t.Fatal(err)
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
