package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestOfflineHelp(t *testing.T) {
	for name, parts := range map[string][]string{
		"import": {"usage: pushgateway import [<flags>] <file>", "--[no-]replace", "--[no-]keep", "Pushgateway 1.11", "<file>.db"},
		"export": {"usage: pushgateway export [<flags>] [<file>]", "--format=FORMAT", "gob", "text", "json", "-o, --output", "no gateway"},
		"verify": {"usage: pushgateway verify [<flags>] <file>", "Exits with 1", "no gateway"},
		"backup": {"usage: pushgateway backup [<flags>] <file>", "--url=http://localhost:9091", "--web.enable-admin-api", "user:password"},
	} {
		for _, args := range [][]string{{name, "--help"}, {name, "-h"}, {"help", name}} {
			code, out, errs := command(t, args...)
			if code != 0 || errs != "" {
				t.Errorf("%v: exit code %d, %q", args, code, errs)
			}
			for _, part := range parts {
				if !strings.Contains(out, part) {
					t.Errorf("%v does not show %q", args, part)
				}
			}
		}
		if _, out, _ := command(t, "--help"); !strings.Contains(out, "\n  "+name+"\n") {
			t.Errorf("--help does not list %s", name)
		}
	}
}

// TestBackupWithoutDirectory wants the directory in the error, not the file that
// a backup is written to first.
func TestBackupWithoutDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	code, _, errs := command(t, "backup", filepath.Join(dir, "x"))
	if want := "the directory " + dir + " does not exist; create it first\n"; code != 1 || !strings.HasSuffix(errs, want) {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

func TestOfflineUsage(t *testing.T) {
	for line, part := range map[string]string{
		"export --format=gob --cluster.url=nats://n a":                    "a file and --cluster.url exclude each other",
		"import --config.file=/dev/null a":                                "it has no section cluster",
		"backup --config.file=/nowhere a":                                 "/nowhere",
		"export --format=gob --cluster.stream=x.y --cluster.url=nats://n": "--cluster.stream",
		"import --keep --cluster.url=nats://n a":                          "--keep: it is about a journal",
		"import --cluster.credentials-file=x a":                           "--cluster.credentials-file: it needs the servers",
		"import --cluster.replicas=2 --cluster.url=nats://n a":            "--cluster.replicas=2",
		"backup --cluster.tls-ca-file=x a":                                "--cluster.tls-ca-file: it needs the servers",
		"import":                                                          "'file'",
		"import a b":                                                      "unexpected b",
		"import --keep --replace a":                                       "--replace and --keep",
		"export a":                                                        "--format",
		"export --format=xml a":                                           `--format="xml"`,
		"export --format=gob":                                             "give the persistence file to read, or --cluster.url",
		"backup -":                                                        "this command cannot use standard input or output; name a file",
		"verify -":                                                        "this command cannot use standard input or output; name a file",
		"verify":                                                          "'file'",
		"verify --nonsense a":                                             "--nonsense",
		"backup":                                                          "'file'",
		"backup --url=: a":                                                "URL",
		"nonsense":                                                        `unknown command "nonsense"; see pushgateway --help`,
		"--push.lenient-newlines pusj":                                    `unknown command "pusj"; did you mean push? see pushgateway --help`,
		"version":                                                         `unknown command "version"; use --version`,
		"check metric":                                                    `unknown command "metric"; use check metrics or check config; did you mean check metrics?`,
		"--push.ttl=5h groups":                                            "unexpected groups; see pushgateway --help",
		"serve pusj":                                                      "unexpected pusj; see pushgateway --help",
		"backup --retry=5 a":                                              `--retry="5": it must be a duration like 10s or 2m; see pushgateway backup --help`,
		"--web.read-timeout=soon":                                         `--web.read-timeout="soon": it must be a duration like 10s or 2m`,
		"--push.lenient-newlines=true":                                    "true",
		"serve --persistence.file":                                        "--persistence.file",
		"--persistence.interval=x":                                        "x",
		"--persistence.salvage":                                           "--persistence.salvage",
		"--persistence.interval=-1s":                                      "--persistence.interval",
		"verify --persistence.file=a":                                     "--persistence.file",
		"export --output --format=gob":                                    "--output",
	} {
		code, out, errs := command(t, strings.Fields(line)...)
		if code != 2 || out != "" || !strings.HasPrefix(errs, "pushgateway: ") || !strings.Contains(errs, part) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q, %q", line, code, out, errs)
		}
	}
}

func TestVerify(t *testing.T) {
	file := makeJournal(t, 30)
	before := lookAt(t, filepath.Dir(file))
	wantWhole(t, file)
	code, out, errs := command(t, "verify", file)
	if code != 0 || !strings.HasPrefix(out, file+": journal of format 1, revision ") || !strings.HasSuffix(out, " 30 whole groups with 30 series, 0 faults\n") || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	before.wantUntouched(t, filepath.Dir(file))

	flipIn(t, file, "0007")
	flipIn(t, file, "0011")
	before = lookAt(t, filepath.Dir(file))
	code, out, errs = command(t, "verify", file)
	lines := strings.Split(out, "\n")
	if code != 1 || len(lines) != 4 || errs != "" {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
	for i, parts := range [][]string{{`group {job="0007"}: `, "checksum"}, {`group {job="0011"}: `, "checksum"}, {"28 whole groups with 28 series, 2 faults"}} {
		for _, part := range append(parts, file+": ") {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d has no %q: %s", i, part, lines[i])
			}
		}
	}
	before.wantUntouched(t, filepath.Dir(file))
	truncate(t, file, 9000)
	if code, out, errs = command(t, "verify", file); code != 1 || !strings.Contains(out, "the file ends before") || errs != "" {
		t.Errorf("truncated: exit code %d, %q, %q", code, out, errs)
	}
}

// TestVerifyUpgraded looks at both files of an upgrade.
func TestVerifyUpgraded(t *testing.T) {
	file := copyRecorded(t, "1.11.3-legacy")
	code, out, errs := command(t, "verify", file)
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, file+": file of Pushgateway 1.11, ") || !strings.HasSuffix(out, " 0 faults\n") || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if code, _, errs := command(t, "import", file); code != 0 {
		t.Fatal(errs)
	}
	code, out, _ = command(t, "verify", file)
	if code != 0 || strings.Count(out, "\n") != 2 || !strings.Contains(out, "\n"+file+".db: journal of format 1") {
		t.Errorf("exit code %d, %q", code, out)
	}
	flipIn(t, file+".db", "backup")
	code, out, _ = command(t, "verify", file)
	if code != 1 || strings.Count(out, "\n") != 3 || !strings.Contains(out, file+".db: page ") {
		t.Errorf("exit code %d, %q", code, out)
	}
	truncate(t, file, 100)
	code, out, errs = command(t, "verify", file)
	wantSentence(t, errs, file, "truncated")
	if code != 1 {
		t.Errorf("exit code %d, %q", code, out)
	}
}

// TestOfflineOnMissingFile names the file, and makes none.
func TestOfflineOnMissingFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "metrics")
	for _, args := range [][]string{{"verify", file}, {"import", file}, {"export", "--format=gob", file}, {"verify", dir}, {"import", dir}, {"export", "--format=gob", dir}} {
		code, out, errs := command(t, args...)
		if wantSentence(t, errs, args[len(args)-1]); code != 1 || out != "" {
			t.Errorf("%v: exit code %d, %q", args, code, out)
		}
	}
	if d := lookAt(t, dir); len(d) > 0 {
		t.Errorf("there are %v", d.names())
	}
}

func TestImport(t *testing.T) {
	file := copyRecorded(t, "1.11.3-legacy")
	before := lookAt(t, filepath.Dir(file))
	code, _, errs := command(t, "import", "--keep", file)
	if wantSentence(t, errs, file+".db", "no journal to keep", "without --keep"); code != 1 {
		t.Errorf("--keep without a journal: exit code %d", code)
	}
	before.wantUntouched(t, filepath.Dir(file))

	ready := file + ".db is ready; serve it with --persistence.file=" + file + ", as before\n"
	code, out, errs := command(t, "import", file)
	if code != 0 || out != ready || !strings.Contains(errs, "which stays unchanged") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	after := lookAt(t, filepath.Dir(file))
	if code, out, errs := command(t, "import", file); code != 0 || out != ready || errs != "" {
		t.Errorf("again: exit code %d, %q, %q", code, out, errs)
	}
	after.wantUntouched(t, filepath.Dir(file))
	if after["metrics"] != before["metrics"] {
		t.Error("the file of 1.11 has changed")
	}
	code, _, errs = command(t, "import", file+".db")
	if wantSentence(t, errs, file+".db", "not a persistence file of Pushgateway 1.11"); code != 1 {
		t.Errorf("a journal: exit code %d", code)
	}
	s := start(t, "--persistence.file="+file)
	s.wantRecorded("1.11.3-legacy")
	for _, decision := range []string{"--replace", "--keep"} {
		code, _, errs := command(t, "import", decision, file)
		if wantSentence(t, errs, file+".db", "another process uses"); code != 1 {
			t.Errorf("%s while a gateway runs: exit code %d", decision, code)
		}
	}
	s.wantRecorded("1.11.3-legacy")
}

var failureMessage = regexp.MustCompile(`,"push_failure_message":"(\\.|[^"])*"`)

func TestExport(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "metrics")
	args := []string{"--push.enable-utf8-names", "--web.enable-openmetrics"}
	s := start(t, append(args, "--persistence.file="+file)...)
	all := s.pushEverything()
	s.proc.Stop()
	before := lookAt(t, dir)
	for format, want := range map[string]string{"text": all[textAsPushed], "json": all["/api/v1/metrics"]} {
		code, out, errs := command(t, "export", "--format="+format, file)
		if code != 0 || errs != "" {
			t.Errorf("%s: exit code %d, %q", format, code, errs)
		}
		if out != want {
			t.Errorf("%s: %s", format, firstDifference(out, want))
		}
	}
	before.wantUntouched(t, dir)

	// There and back.
	_, standard, _ := command(t, "export", "--format=gob", file)
	exported := filepath.Join(dir, "exported")
	writeFile(t, exported, "replaced")
	if code, out, errs := command(t, "export", "--format=gob", "-o", exported, file); code != 0 || out != "" || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	printed := filepath.Join(t.TempDir(), "printed")
	writeFile(t, printed, standard)
	for _, gob := range []string{exported, printed} {
		if _, again, _ := command(t, "export", "--format=text", gob); again != all[textAsPushed] {
			t.Errorf("exported twice: %s", firstDifference(again, all[textAsPushed]))
		}
	}
	s = start(t, append(args, "--persistence.file="+exported)...)
	for path := range all { // files of 1.11 have no place for this
		all[path] = failureMessage.ReplaceAllString(all[path], "")
	}
	s.wantEverything(all)
	s.push("/metrics/job/back", "back 1\n", http.StatusOK)
	s.proc.Stop()
	if names := lookAt(t, dir).names(); !slices.Equal(names, []string{"exported", "exported.db", "metrics"}) {
		t.Errorf("there are %v", names)
	}

	// What is exported of an upgraded file is what it has become.
	if _, out, _ := command(t, "export", "--format=text", exported); !strings.Contains(out, `back{instance="",job="back"} 1`) {
		t.Error("the export is from before the last push")
	}
	if err := os.Remove(exported); err != nil {
		t.Fatal(err)
	}
	if _, out, _ := command(t, "export", "--format=text", exported); !strings.Contains(out, `back{instance="",job="back"} 1`) {
		t.Error("the journal of a file that is gone is not exported")
	}
}

func TestExportErrors(t *testing.T) {
	file := makeJournal(t, 20)
	dir := filepath.Dir(file)
	before := lookAt(t, dir)
	missing := filepath.Join(dir, "nowhere")
	for output, says := range map[string]string{filepath.Join(missing, "file"): missing, dir: dir} {
		code, _, errs := command(t, "export", "--format=gob", "--output="+output, file)
		if wantSentence(t, errs, file, says); code != 1 {
			t.Errorf("to %s: exit code %d", output, code)
		}
	}
	for _, source := range []string{file, filepath.Join(dir, ".", "metrics")} {
		code, _, errs := command(t, "export", "--format=text", "-o", source, file)
		if wantSentence(t, errs, file, "is the file to read from", "another file"); code != 1 {
			t.Errorf("onto itself: exit code %d", code)
		}
	}
	before.wantUntouched(t, dir) // nor is there a part of the export

	s := start(t, "--persistence.file="+file)
	other := makeJournal(t, 3)
	code, _, errs := command(t, "export", "--format=gob", "--output="+file, other)
	if wantSentence(t, errs, file, "replacing", "another process uses"); code != 1 {
		t.Errorf("onto a file in use: exit code %d", code)
	}
	s.proc.Stop()
	wantWhole(t, file)

	flipIn(t, file, "0007")
	for _, format := range []string{"gob", "text", "json"} {
		code, out, errs := command(t, "export", "--format="+format, file)
		if wantSentence(t, errs, file, `group {job="0007"}`, "damaged", "pushgateway verify"); code != 1 || out != "" {
			t.Errorf("%s of a damaged file: exit code %d, %q", format, code, clip(out))
		}
	}
}
