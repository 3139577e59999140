package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const events = `{"Action":"start","Package":"pushgateway/e2e"}
{"Action":"output","Package":"pushgateway/e2e","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"pushgateway/e2e","Test":"TestA","Output":"    a_test.go:7: only root gives files away\n"}
{"Action":"skip","Package":"pushgateway/e2e","Test":"TestA"}
{"Action":"output","Package":"pushgateway/e2e","Test":"TestB","Output":"    b_test.go:9: something that was logged\n"}
{"Action":"pass","Package":"pushgateway/e2e","Test":"TestB"}
{"Action":"output","Package":"tools/chart","Test":"TestC/deep","Output":"        c_test.go:9: promtool is missing\n"}
{"Action":"skip","Package":"tools/chart","Test":"TestC/deep"}
{"Action":"skip","Package":"tools/sh"}
`

func TestSkips(t *testing.T) {
	const both = "2 tests were skipped:\n"
	for _, tc := range []struct {
		name, in, allowed, lacking string
		strict                     bool
		want, wantErr              string
	}{
		{"nothing", `{"Action":"pass","Package":"a","Test":"T"}`, "", "", true, "No test was skipped.\n", ""},
		{"not strict", events, "", "", false, both + "! e2e.TestA: only root gives files away\n! tools/chart.TestC/deep: promtool is missing\n", ""},
		{"unknown", events, "# a comment\n\nonly root", "", true, both + "  e2e.TestA: only root gives files away\n! tools/chart.TestC/deep: promtool is missing\n", "1 tests were skipped"},
		{"all known", events, "^only root", "is missing", true, both + "  e2e.TestA: only root gives files away\n  tools/chart.TestC/deep: promtool is missing\n", ""},
		{"no events", "ok pushgateway", "", "", false, "", "reading the events"},
		{"bad list", events, "(", "", false, "", "list:1: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			err := run(strings.NewReader(tc.in), &out, tc.strict, write(t, "list", tc.allowed), write(t, "more", tc.lacking))
			if out.String() != tc.want {
				t.Errorf("got %q, want %q", out.String(), tc.want)
			}
			if (err == nil) != (tc.wantErr == "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("got error %v, want %q", err, tc.wantErr)
			}
		})
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
